//! Ways to cheat, each by a witness that is consistent in everything but one rule.

use super::checker::Checker;
use super::{bytes, inputs, mock, prover};
use crate::backend::convert::{from_halo, to_halo};
use crate::cid::layout::{MESSAGE, OUTPUT, SLOT, Shape, col};
use crate::cid::sha256::pad;
use crate::cid::trace::Trace;
use crate::statements::cid;
use halo2curves::bn256::Fr;
use zkaggle_graph::commit;
use zkaggle_graph::graph::MAX_SHARD_BYTES;
use zkaggle_graph::packing::SHA_BLOCK;

/// The rules that blocks `padded` break when they claim to be `len` bytes, everything else being
/// honest: digest, commitment and length are those of the forged blocks.
fn forged(k: u32, padded: &[u8], len: usize) -> Vec<String> {
    let shape = Shape::new(k).unwrap();
    let trace = Trace::build(&shape, padded, len);
    let tail = shape.tail();
    let public = vec![
        trace.get(col::S, tail),
        trace.get(col::S + 1, tail),
        Fr::from(len as u64),
        trace.get(col::U, tail + OUTPUT),
    ];
    let rows = if k < 12 { 0 } else { shape.base(shape.slots() - 3) };
    let checker = Checker::new(shape, public.clone());
    let mut failures = checker.failures(&trace, (0..4).chain(rows.max(4)..shape.rows() - 12));
    failures.sort();
    if k < 12 {
        // The sponge's part of the forgery is what it claims: the commitment of the prefix.
        if len > 0 && len <= padded.len() {
            assert_eq!(from_halo(&public[3]), commit::shard(&padded[..len]));
        }
        assert_eq!(prover(shape, trace, public).verify_par().is_err(), !failures.is_empty());
    }
    failures
}

/// `rule` fails, and besides at most the packing: the forger's sponge absorbs message bytes only.
fn assert_only(failures: &[String], rule: &str) {
    assert!(failures.iter().any(|f| f == rule), "'{rule}' holds: {failures:?}");
    assert!(
        failures.iter().all(|f| f == rule || f == "chunk" || f == "accumulator"),
        "{failures:?}"
    );
}

#[test]
fn honest_blocks_break_nothing() {
    for len in [1, 55, 56, 64, 100, 119] {
        assert!(forged(8, &pad(&bytes(len)), len).is_empty(), "{len}");
    }
}

/// ZKaggle V1 and V2 left SHA-256's input bits unconstrained: other "bits" with the same word kept
/// the digest while the model read other bytes.
#[test]
fn bits_that_are_no_bits_are_refused_though_the_word_is_kept() {
    let message = [0x40, 7, 9];
    let shape = Shape::new(8).unwrap();
    let public = inputs(&cid::instance(&message).unwrap());
    let row = shape.base(shape.slots() - 1) + MESSAGE;
    let checker = Checker::new(shape, public.clone());
    // Bit 30 is set: 2³⁰ = 2·2²⁹ = 2³¹ − 2³⁰ ...
    for (high, low) in [((30, 0), (29, 2)), ((31, 1), (30, -1))] {
        let mut trace = Trace::new(&shape, &message).unwrap();
        for (i, v) in [high, low] {
            let v = if v < 0 { -Fr::from(1) } else { Fr::from(v as u64) };
            trace.set(col::W + i, row, v);
        }
        let failures = checker.failures(&trace, 0..shape.rows() - 12);
        assert!(!failures.contains(&"word w".to_string()));
        assert!(failures.contains(&format!("bit w[{}]", low.0)), "{failures:?}");
        assert!(prover(shape, trace, public.clone()).verify_par().is_err());
    }
}

/// The predecessor read pixels least significant bit first and SHA-256 most significant first.
#[test]
fn bit_order_is_one_order() {
    let (high, low) = ([0x80u8], [0x01u8]);
    for (bytes, other) in [(high, low), (low, high)] {
        let mut x = cid::instance(&bytes).unwrap();
        assert_eq!(mock(8, &bytes, &x), Ok(()));
        x.shard = commit::shard(&other);
        assert!(mock(8, &bytes, &x).is_err());
    }
    let mut blocks = pad(&bytes(20));
    blocks[20] = 0x01;
    assert_only(&forged(8, &blocks, 20), "byte after the message 0");
}

#[test]
fn wrong_padding_is_refused() {
    let cases: [(usize, usize, &str); 6] = [
        (21, 0x01, "byte after the message 1"),
        (22, 0x80, "byte after the message 2"),
        (59, 0x01, "byte after the message 3"),
        (60, 0x01, "length word"),
        (63, 0x09, "length word"),
        (20, 0x00, "byte after the message 0"),
    ];
    for (at, v, name) in cases {
        let mut blocks = pad(&bytes(20));
        blocks[at] = v as u8;
        assert_only(&forged(8, &blocks, 20), name);
    }
    // A terminator in place of the next byte, after a message byte more than there are.
    for claimed in [19, 21] {
        assert!(!forged(8, &pad(&bytes(20)), claimed).is_empty());
    }
    // The same at block boundaries.
    for (len, claimed) in [(55, 56), (56, 55), (63, 64), (64, 63), (64, 65), (119, 118)] {
        assert!(!forged(8, &pad(&bytes(len)), claimed).is_empty(), "{len} as {claimed}");
    }
}

#[test]
fn a_length_with_room_for_it_may_not_wait_for_another_block() {
    for len in [20, 54, 55] {
        let mut blocks = bytes(len);
        blocks.push(0x80);
        blocks.resize(2 * SHA_BLOCK - 8, 0);
        blocks.extend((len as u64 * 8).to_be_bytes());
        assert_eq!(forged(8, &blocks, len), ["room for the length"], "{len}");
    }
}

#[test]
fn a_message_that_ends_without_room_may_not_skip_its_next_block() {
    // 60 bytes whose length word overwrites the end of the same block.
    let mut blocks = bytes(60);
    blocks.extend([0x80, 0, 0, 0]);
    assert!(!forged(8, &blocks, 60).is_empty());
    let mut blocks = bytes(58);
    blocks.extend([0x80, 0]);
    blocks.extend(464u32.to_be_bytes());
    assert_eq!(forged(8, &blocks, 58), ["room for the length"]);
}

#[test]
fn an_empty_message_is_refused() {
    assert_eq!(forged(8, &pad(&[]), 0), ["message is not empty"]);
}

#[test]
fn the_largest_shard_is_the_largest_length() {
    let message = bytes(MAX_SHARD_BYTES + 1);
    assert!(forged(17, &pad(&message[..MAX_SHARD_BYTES]), MAX_SHARD_BYTES).is_empty());
    let failures = forged(17, &pad(&message), MAX_SHARD_BYTES + 1);
    assert_eq!(failures, ["length bound"]);
}

#[test]
fn other_bytes_or_another_order_of_blocks_are_refused() {
    let m = bytes(110);
    let x = cid::instance(&m).unwrap();
    let mut swapped = m[64..].to_vec();
    swapped.extend_from_slice(&m[..64]);
    assert!(mock(8, &swapped, &x).is_err());
    let mut other = m.clone();
    other[70] ^= 1;
    assert!(mock(8, &other, &x).is_err());
    let y = cid::instance(&other).unwrap();
    for (digest, shard) in [(x.digest, y.shard), (y.digest, x.shard)] {
        let mixed = cid::CidInstance {
            digest,
            length: x.length,
            shard,
        };
        assert!(mock(8, &m, &mixed).is_err());
        assert!(mock(8, &other, &mixed).is_err());
    }
}

/// The sponge and SHA-256 read the same cells: bytes cannot differ between them.
#[test]
fn the_sponge_cannot_absorb_other_bytes() {
    let m = bytes(40);
    let mut other = m.clone();
    other[3] ^= 0x10;
    let shape = Shape::new(8).unwrap();
    let mut trace = Trace::new(&shape, &m).unwrap();
    let wrong = Trace::new(&shape, &other).unwrap();
    let base = shape.base(shape.slots() - 1);
    for row in base + MESSAGE..base + SLOT {
        for column in col::S..col::COUNT {
            trace.set(column, row, wrong.get(column, row));
        }
    }
    let output = shape.tail() + OUTPUT;
    trace.set(col::U, output, wrong.get(col::U, output));
    let mut public = inputs(&cid::instance(&m).unwrap());
    public[3] = to_halo(&commit::shard(&other));
    let failures = Checker::new(shape, public).failures(&trace, 0..shape.rows() - 12);
    assert_eq!(failures, ["chunk"]);
}
