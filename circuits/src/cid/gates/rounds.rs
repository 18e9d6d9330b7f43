//! FIPS 180-4, section 6.2.2: message schedule, rounds, and the sum that ends a block.

use super::{Cells, E, Named, all, bit, int, not, one, pack, signs, two_bits};
use crate::cid::layout::{MESSAGE, OUTPUT, SLOT, SPONGE_END, col, fixed};
use crate::cid::sha256::{BIG_SIGMA_0, BIG_SIGMA_1, SMALL_SIGMA_0, SMALL_SIGMA_1};
use crate::cid::tables::power;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// `Σ 2ⁱ·(xor of the bits whose signs `terms(i)` multiplies)`.
fn packed_xor(terms: impl Fn(usize) -> E) -> E {
    let products: Vec<E> = (0..32).map(terms).collect();
    let half = Fr::from(2).invert().unwrap_or(Fr::ZERO);
    (int(u64::from(u32::MAX)) - pack(&products)) * half
}

fn big_sigma(s: &[E], r: [usize; 3]) -> E {
    packed_xor(|i| s[(i + r[0]) % 32].clone() * s[(i + r[1]) % 32].clone() * s[(i + r[2]) % 32].clone())
}

fn small_sigma(s: &[E], (r, shift): ([usize; 2], usize)) -> E {
    packed_xor(|i| {
        let rotated = s[(i + r[0]) % 32].clone() * s[(i + r[1]) % 32].clone();
        match s.get(i + shift) {
            Some(x) => rotated * x.clone(),
            None => rotated,
        }
    })
}

/// Anchored on the row of `W_{t−15}`; its carry stands there too.
pub(super) fn schedule(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let kind = c.fixed(fixed::ROUND);
    let carry = c.at(col::CARRY_W, 0);
    let w = signs(&c.word(col::W, 0));
    let sum = c.at(col::WORD_W, -1) + small_sigma(&w, SMALL_SIGMA_0) + c.at(col::WORD_W, 8) + c.at(col::SIGMA_W, 13);
    let word = c.at(col::WORD_W, 15);
    let mut out = all(
        &(kind.clone() * (kind.clone() - one())),
        vec![("schedule".into(), word + carry.clone() * power(32) - sum)],
    );
    out.push(("schedule carry".into(), kind.clone() * two_bits(&carry)));
    out.push(("schedule carry idle".into(), kind.clone() * (int(2) - kind) * carry));
    // A column of its own: reading thirty-two bits at another row costs a verifier more.
    let sigma = c.at(col::SIGMA_W, 0) - small_sigma(&w, SMALL_SIGMA_1);
    out.push(("schedule sigma".into(), c.fixed(fixed::BITS) * sigma));
    out
}

/// Anchored on the row before the one the round fills; its carries stand there too.
pub(super) fn round(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let (a, b, cc) = (c.word(col::A, 0), c.word(col::A, -1), c.word(col::A, -2));
    let (e, f, g) = (c.word(col::E, 0), c.word(col::E, -1), c.word(col::E, -2));
    let (d, h) = (c.at(col::WORD_A, -3), c.at(col::WORD_E, -3));
    let (a_next, e_next) = (c.at(col::WORD_A, 1), c.at(col::WORD_E, 1));
    let (carry_a, carry_e, carry_e_high) = (c.at(col::CARRY_A, 0), c.at(col::CARRY_E, 0), c.at(col::CARRY_E_HIGH, 0));
    let (sa, se) = (signs(&a), signs(&e));
    let ch: Vec<E> = (0..32)
        .map(|i| e[i].clone() * (f[i].clone() - g[i].clone()) + g[i].clone())
        .collect();
    // ab ⊕ ac ⊕ bc = a(b + c) + bc(1 − 2a)
    let maj: Vec<E> = (0..32)
        .map(|i| a[i].clone() * (b[i].clone() + cc[i].clone()) + b[i].clone() * cc[i].clone() * sa[i].clone())
        .collect();
    let t1 = h + big_sigma(&se, BIG_SIGMA_1) + pack(&ch) + c.fixed(fixed::K) + c.at(col::WORD_W, 1);
    let e_carry = (carry_e.clone() + carry_e_high.clone() * Fr::from(2)) * power(32);
    // a' = T1 + T2 = (e' − d) + T2, so the carry may be −1: the cell holds one more.
    let a_carry = (carry_a.clone() - one()) * power(32);
    let t2 = big_sigma(&sa, BIG_SIGMA_0) + pack(&maj);
    let constraints = vec![
        ("round e".into(), e_next.clone() + e_carry - (d.clone() + t1)),
        ("round a".into(), a_next + a_carry - (e_next - d + t2)),
        ("round carry a".into(), two_bits(&carry_a)),
        ("round carry e low".into(), bit(&carry_e)),
        ("round carry e high".into(), two_bits(&carry_e_high)),
    ];
    all(&c.fixed(fixed::ROUND), constraints)
}

/// Rotation from the tail's output row to row `row` of the last slot.
const fn back(row: usize) -> i32 {
    row as i32 - (SLOT + OUTPUT) as i32
}

/// Chain rows: the chaining value is `H + (a … h)` after a block, and `H⁽⁰⁾` after none.
pub(super) fn chain(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let kind = c.fixed(fixed::BITS);
    let selector = kind.clone() * (kind - one());
    let active = c.at(col::ACTIVE, 0);
    let fold = c.fixed(fixed::C + 3);
    let mut out = vec![];
    for (i, letter, limb, word, carry) in [
        (0, "a", "high", col::WORD_A, col::X),
        (1, "e", "low", col::WORD_E, col::Y),
    ] {
        let value = c.at(word, 0);
        let carry = c.at(carry, 0);
        let before = c.at(word, -(SLOT as i32));
        let last = c.at(word, -4);
        let iv = c.fixed(fixed::C + i);
        out.push((
            format!("chain {letter}"),
            value.clone() + carry.clone() * power(32) - active.clone() * (before + last) - not(&active) * iv,
        ));
        out.push((format!("chain carry {letter}"), bit(&carry)));
        out.push((
            format!("digest {limb} fold"),
            c.at(col::S + i, 0) - value - fold.clone() * c.at(col::S + i, 1),
        ));
    }
    let exempt = c.fixed(fixed::C + 2);
    out.push(("chain word idle".into(), not(&exempt) * c.at(col::WORD_W, 0)));
    // The last block may be padding alone; then the sponge ended one block earlier.
    let data = c.at(col::S + 1, back(MESSAGE));
    let (here, before) = (
        c.at(col::S, back(SPONGE_END)),
        c.at(col::S, back(SPONGE_END) - SLOT as i32),
    );
    let s = not(&data) * before + data * here;
    out.push(("commitment".into(), exempt * (c.at(col::U, 0) - s)));
    all(&selector, out)
}
