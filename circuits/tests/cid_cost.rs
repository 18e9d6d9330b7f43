//! What a CID proof costs; `docs/circuits/cid.md` quotes it. Not run by default: minutes of two cores.
//!
//! `cargo test -p zkaggle-circuits --test cid_cost -- --ignored --nocapture`

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::time::Instant;
use zkaggle_circuits::backend::memory;
use zkaggle_circuits::backend::srs::Srs;
use zkaggle_circuits::cid::{DatasetKey, class_for};
use zkaggle_circuits::statements::cid::{CidWitness, instance};

/// Processor time of this process so far, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in hundredths on every Linux.
    fields[11..13].iter().map(|f| f.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

#[test]
#[ignore = "a benchmark"]
fn proving_360_digits() {
    let len = 23_400;
    let srs = Srs::development(class_for(len).unwrap()).unwrap();
    let (t, c) = (Instant::now(), cpu());
    let key = DatasetKey::for_length(&srs, len).unwrap();
    println!("keys: {:.1} s, {:.1} CPU-s", t.elapsed().as_secs_f64(), cpu() - c);
    let w = CidWitness {
        bytes: (0..len).map(|i| (i * 31 % 17) as u8).collect(),
    };
    let x = instance(&w.bytes).unwrap();
    memory::reset_peak().unwrap();
    let (t, c) = (Instant::now(), cpu());
    let proof = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(1)).unwrap();
    println!(
        "k = {}, {len} bytes: {:.1} s, {:.1} CPU-s, peak {} MiB, proof {} bytes",
        key.k(),
        t.elapsed().as_secs_f64(),
        cpu() - c,
        memory::peak().unwrap() >> 20,
        proof.len()
    );
    let t = Instant::now();
    key.verify(srs.points(), &x, &proof).unwrap();
    println!("verify: {:.1} ms", t.elapsed().as_secs_f64() * 1e3);
}
