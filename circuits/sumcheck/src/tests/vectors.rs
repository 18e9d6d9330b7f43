//! NIST's messages: digests of the trace are theirs, and proved.

use super::{honest, keys, long};
use crate::commit::testing::srs;
use crate::trace::Trace;
use crate::verifier::verify;

/// (message, digest) of a file of messages.
fn messages(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let values = |key: &str| -> Vec<String> {
        text.lines()
            .filter_map(|l| l.strip_prefix(key)?.strip_prefix(" = "))
            .map(str::to_owned)
            .collect()
    };
    let lengths = values("Len");
    let all: Vec<_> = values("Msg").into_iter().zip(values("MD")).zip(&lengths).collect();
    assert_eq!(all.len(), lengths.len());
    all.into_iter()
        .map(|((message, digest), bits)| {
            let mut message = hex::decode(message).unwrap();
            message.truncate(bits.parse::<usize>().unwrap() / 8);
            (message, hex::decode(digest).unwrap())
        })
        .collect()
}

fn digests(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let slices: Vec<&[u8]> = messages.iter().map(|m| &m[..]).collect();
    let (statement, _, _) = Trace::new(&slices).unwrap();
    statement.iter().map(|s| s.digest.to_vec()).collect()
}

#[test]
fn short_messages() {
    let (messages, want): (Vec<_>, Vec<_>) = messages(include_str!("../../tests/vectors/SHA256ShortMsg.rsp"))
        .into_iter()
        .unzip();
    assert_eq!(messages.len(), 65);
    let p = honest(keys(), &messages);
    assert_eq!(p.statement.iter().map(|s| s.digest.to_vec()).collect::<Vec<_>>(), want);
    assert_eq!(verify(&keys().1, &p.statement, &p.proof), Ok(()));
}

#[test]
fn long_messages() {
    let (messages, want): (Vec<_>, Vec<_>) = messages(include_str!("../../tests/vectors/SHA256LongMsg.rsp"))
        .into_iter()
        .unzip();
    assert_eq!(messages.len(), 64);
    assert_eq!(digests(&messages), want);
    let (keys, messages) = if long() {
        (&srs(18), &messages[..])
    } else {
        // The first ten: 420 slots.
        (keys(), &messages[..10])
    };
    let p = honest(keys, messages);
    assert_eq!(verify(&keys.1, &p.statement, &p.proof), Ok(()));
}

/// A hundred thousand compressions of two blocks, from the seed; the hundred checkpoints are proved.
#[test]
fn monte_carlo() {
    let text = include_str!("../../tests/vectors/SHA256Monte.rsp");
    let value = |l: &str, key: &str| l.strip_prefix(key).map(|v| hex::decode(v).unwrap());
    let mut seed = text.lines().find_map(|l| value(l, "Seed = ")).unwrap();
    let want: Vec<Vec<u8>> = text.lines().filter_map(|l| value(l, "MD = ")).collect();
    assert_eq!(want.len(), 100);
    let compress = |message: &[u8]| -> Vec<u8> {
        crate::trace::blocks(message)
            .iter()
            .fold(crate::weights::IV, |h, block| crate::trace::Slot::compress(&h, block).1)
            .iter()
            .flat_map(|w| w.to_be_bytes())
            .collect()
    };
    let mut checkpoints = vec![];
    for want in &want {
        let mut last = [seed.clone(), seed.clone(), seed];
        for i in 0..1000 {
            let message = last.concat();
            let digest = compress(&message);
            if i == 999 {
                checkpoints.push(message);
            }
            last.rotate_left(1);
            last[2] = digest;
        }
        seed = last[2].clone();
        assert_eq!(seed, *want);
    }
    let p = honest(keys(), &checkpoints);
    assert_eq!(p.statement.iter().map(|s| s.digest.to_vec()).collect::<Vec<_>>(), want);
    assert_eq!(verify(&keys().1, &p.statement, &p.proof), Ok(()));
}
