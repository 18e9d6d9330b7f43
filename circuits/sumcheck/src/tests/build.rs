//! Cells with one fault, and everything after it consistent.

use crate::fixture::Witness;
use crate::layout::SBOXES;
use crate::sponge::{Permutation, Sponge, fifth};
use crate::statement::{Plan, Shard, packing};
use crate::trace::{Slot, SpongeSlot, Step, Trace, blocks};
use crate::weights::{IV, byte_shift};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// What is wrong, by the slot it is wrong in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A word is not what its sum says.
    Step(usize, Step, u32),
    /// A word of the entering state is not the one that was left.
    Entering(usize, usize, u32),
    /// A byte of the block is changed.
    Byte(usize, usize, u8),
    /// An S-box gives one more.
    SBox(usize, usize),
    /// A lane enters as one more.
    Lane(usize, usize),
}

fn permute(slot: usize, mut lanes: [Fr; 4], fault: Fault) -> SpongeSlot {
    for (j, lane) in lanes.iter_mut().enumerate() {
        *lane += Fr::from(u64::from(fault == Fault::Lane(slot, j)));
    }
    let mut cells = [Fr::ZERO; SBOXES + 4];
    let permutation: Permutation = Sponge::get().walk(lanes, &Fr::ONE, |i, x| {
        cells[i] = fifth(x) + Fr::from(u64::from(fault == Fault::SBox(slot, i)));
        cells[i]
    });
    cells[SBOXES..].copy_from_slice(&lanes);
    SpongeSlot { cells, permutation }
}

/// Runs shards with a fault; the statement is what comes out.
pub fn build(shards: &[&[u8]], fault: Fault) -> Witness {
    let plan = Plan::new(shards.iter().map(|s| s.len())).unwrap();
    let mut trace = Trace {
        slots: vec![],
        sponge: vec![],
    };
    let mut statement = vec![];
    for (p, bytes) in plan.places.iter().zip(shards) {
        let mut state = IV;
        trace.slots.push(Slot::compress(&[0; 8], &[0; 64]).0);
        let lead = [Sponge::get().tag, Fr::from(bytes.len() as u64), Fr::ZERO, Fr::ZERO];
        trace.sponge.push(permute(p.lead, lead, fault));
        for (slot, mut block) in (p.first()..).zip(blocks(bytes)) {
            if let Fault::Byte(at, k, flip) = fault
                && at == slot
            {
                block[k] ^= flip;
            }
            if let Fault::Entering(at, j, flip) = fault
                && at == slot
            {
                state[j] ^= flip;
            }
            let (cells, next) = Slot::compress_with(&state, &block, |step, word| match fault {
                Fault::Step(at, s, flip) if (at, s) == (slot, step) => word ^ flip,
                _ => word,
            });
            trace.slots.push(cells);
            state = next;

            let mut lanes = trace.sponge[slot - 1].permutation.output;
            for (k, byte) in block.iter().enumerate() {
                let (element, after) = packing(k);
                lanes[1 + element] += byte_shift(after) * Fr::from(u64::from(*byte));
            }
            if slot == p.data_end && p.terminator_in_data() {
                let (element, after) = packing(p.rest());
                lanes[1 + element] -= byte_shift(after) * Fr::from(0x80);
                if p.length_in_data() {
                    lanes[3] -= Fr::from(8 * p.length as u64);
                }
            }
            trace.sponge.push(permute(slot, lanes, fault));
        }
        let mut digest = [0; 32];
        for (d, w) in digest.chunks_exact_mut(4).zip(state) {
            d.copy_from_slice(&w.to_be_bytes());
        }
        statement.push(Shard {
            digest,
            length: bytes.len() as u32,
            commitment: trace.sponge[p.data_end].permutation.output[0],
        });
    }
    Witness::of(statement, &trace)
}

#[test]
fn without_a_fault_it_is_the_prover() {
    let shards: [&[u8]; 4] = [b"", &[7; 64], &[8; 60], b"abc"];
    let built = build(&shards, Fault::None);
    assert_eq!(built.statement, Witness::new(&shards).unwrap().statement);
    assert!(built.violations().unwrap().is_empty());
}
