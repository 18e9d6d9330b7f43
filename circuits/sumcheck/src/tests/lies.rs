//! For each claim a prover that lies in it, with the cells true: refused by the step that should, natively
//! and on chain.

use super::build::{Fault, build};
use super::contract::small_contract;
use super::small_keys;
use crate::fixture::{AfterBlocks, Lie, Push, blocks, blocks_committed};
use crate::layout::{ROW_VARIABLES, SPONGE_CELLS, polynomials, read};
use crate::verifier::{BLOCK_DEGREE, READ_DEGREE, ROW_DEGREE, VerifyError};
use halo2curves::bn256::{Fr, G1Affine};
use halo2curves::group::prime::PrimeCurveAffine;
use rayon::prelude::*;

const MESSAGE: &[u8] = b"a true message";

fn true_cells() -> AfterBlocks {
    let (key, vk) = small_keys();
    blocks(key, &vk.srs_id(), &build(&[MESSAGE], Fault::None), None).unwrap()
}

fn outcome(state: &AfterBlocks, lie: Lie, push: Push) -> Result<(), VerifyError> {
    let statement = build(&[MESSAGE], Fault::None).statement;
    small_contract().agreed(&statement, &state.finish(lie, push).unwrap())
}

fn is_opening(got: &Result<(), VerifyError>) -> bool {
    matches!(got, Err(VerifyError::Opening(_)))
}

fn delta() -> Fr {
    Fr::from(0xbad)
}

#[test]
fn the_truth_passes_however_far_it_is_pushed() {
    let state = true_cells();
    for push in [Push::No, Push::PastBlock, Push::PastRow] {
        assert_eq!(outcome(&state, Lie::None, push), Ok(()));
    }
}

#[test]
fn claims_after_the_block_rounds() {
    let state = true_cells();
    assert_eq!(outcome(&state, Lie::RowSum(delta()), Push::No), Err(VerifyError::Block));
    assert_eq!(outcome(&state, Lie::Linear(delta()), Push::No), Err(VerifyError::Block));
    assert_eq!(
        outcome(&state, Lie::Linear(delta()), Push::PastBlock),
        Err(VerifyError::Row)
    );
    assert!(is_opening(&outcome(&state, Lie::Linear(delta()), Push::PastRow)));
    (0..SPONGE_CELLS).into_par_iter().for_each(|k| {
        let lie = Lie::SpongeCell(k, delta());
        assert!(is_opening(&outcome(&state, lie, Push::PastRow)), "cell {k}");
        if k % 8 == 0 {
            assert_eq!(outcome(&state, lie, Push::No), Err(VerifyError::Block), "cell {k}");
            assert_eq!(outcome(&state, lie, Push::PastBlock), Err(VerifyError::Row), "cell {k}");
        }
    });
}

#[test]
fn reads() {
    let state = true_cells();
    (0..read::COUNT).into_par_iter().for_each(|k| {
        let lie = Lie::Read(k, delta());
        assert!(is_opening(&outcome(&state, lie, Push::PastRow)), "read {k}");
        if k % 8 == 0 || k >= read::WORDS {
            assert_eq!(outcome(&state, lie, Push::No), Err(VerifyError::Row), "read {k}");
        }
    });
}

#[test]
fn round_messages() {
    let state = true_cells();
    for round in 0..ROW_VARIABLES {
        for place in 0..ROW_DEGREE {
            let lie = Lie::RowRound(round, place, delta());
            assert_eq!(outcome(&state, lie, Push::No), Err(VerifyError::Row));
            assert!(is_opening(&outcome(&state, lie, Push::PastRow)));
        }
    }
    // The last round is the stack's.
    for round in 0..=ROW_VARIABLES {
        for place in 0..READ_DEGREE {
            let lie = Lie::ReadRound(round, place, delta());
            assert!(is_opening(&outcome(&state, lie, Push::No)));
        }
    }
    let (key, vk) = small_keys();
    let witness = build(&[MESSAGE], Fault::None);
    let places: Vec<(usize, usize)> = (0..3).flat_map(|r| (0..BLOCK_DEGREE).map(move |p| (r, p))).collect();
    places.into_par_iter().for_each(|(round, place)| {
        let state = blocks(key, &vk.srs_id(), &witness, Some((round, place, delta()))).unwrap();
        assert_eq!(outcome(&state, Lie::None, Push::No), Err(VerifyError::Block));
        assert_eq!(outcome(&state, Lie::None, Push::PastBlock), Err(VerifyError::Row));
        assert!(is_opening(&outcome(&state, Lie::None, Push::PastRow)));
    });
}

/// Another combination of the polynomials than the claims ask for; another commitment than the cells'.
#[test]
fn openings() {
    let state = true_cells();
    let count = polynomials(1);
    (0..count).into_par_iter().for_each(|c| {
        let got = outcome(&state, Lie::Opened(c, delta()), Push::No);
        assert!(is_opening(&got), "polynomial {c}: {got:?}");
    });
    let (key, vk) = small_keys();
    let witness = build(&[MESSAGE], Fault::None);
    let point = G1Affine::generator();
    (0..count)
        .into_par_iter()
        .filter(|c| c % 6 == 0 || *c > 50)
        .for_each(|c| {
            for other in [point, G1Affine::identity()] {
                let state = blocks_committed(key, &vk.srs_id(), &witness, None, |all| all[c] = other).unwrap();
                let got = outcome(&state, Lie::None, Push::No);
                assert!(is_opening(&got), "polynomial {c}: {got:?}");
            }
            let state =
                blocks_committed(key, &vk.srs_id(), &witness, None, |all| all.swap(c, (c + 1) % count)).unwrap();
            assert!(
                is_opening(&outcome(&state, Lie::None, Push::No)),
                "polynomial {c} exchanged"
            );
        });
}
