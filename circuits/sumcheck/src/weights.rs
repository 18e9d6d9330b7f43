//! Public weights of the slots: dense for a prover, at a point for a verifier; and the public sum.
//!
//! A constraint that looks one slot back is a weight moved one slot on, so nothing is shifted but
//! what both sides know. Names are those of `docs/cid-argument.md`.

use crate::layout::alpha;
use crate::mle::{eq_index, eq_table};
use crate::sponge::Sponge;
use crate::statement::{Plan, Shard, packing};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// SHA-256's initial value, FIPS 180-4 section 5.3.3.
pub const IV: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The weights of every slot.
#[derive(Clone, Debug)]
pub struct Weights {
    pub a: Vec<Fr>,
    pub n: Vec<Fr>,
    pub c: Vec<Fr>,
    pub x: Vec<Fr>,
    pub v: Vec<Fr>,
    /// (slot, from byte, eq(τ, slot)) of each tail slot.
    pub tails: Vec<(usize, usize, Fr)>,
}

/// The weights' extensions at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsAt {
    pub a: Fr,
    pub n: Fr,
    pub c: Fr,
    pub x: Fr,
    pub v: Fr,
    /// One a byte of a block.
    pub m: Vec<Fr>,
    /// Slots in use.
    pub act: Fr,
    /// eq(τ, x).
    pub eq: Fr,
}

impl Weights {
    pub fn new(plan: &Plan, tau: &[Fr]) -> Self {
        let mut eq = eq_table(tau);
        let zero_eq = eq[0];
        eq.truncate(plan.slots);
        let mut next = eq[1..].to_vec();
        next.push(Fr::ZERO);
        let (mut a, mut n, mut x) = (eq.clone(), next.clone(), next);
        n[plan.slots - 1] = zero_eq;
        let mut v = vec![Fr::ZERO; plan.slots];
        let mut tails = vec![];
        for p in &plan.places {
            a[p.lead] = Fr::ZERO;
            n[p.lead] = Fr::ZERO;
            if let Some(before) = p.lead.checked_sub(1) {
                x[before] = Fr::ZERO;
            }
            v[p.data_end] += eq[p.lead];
            tails.extend(p.tails().map(|(slot, from)| (slot, from, eq[slot])));
        }
        Self {
            a,
            n,
            c: eq,
            x,
            v,
            tails,
        }
    }
}

/// Sums over the slots in use, in one pass over the bits of the last one.
struct Prefix {
    /// Σ_{b ≤ k} eq(τ, b)·eq(x, b).
    both: Fr,
    /// Σ_{b ≤ k} eq(x, b).
    act: Fr,
    /// Σ_{b < k} eq(τ, b + 1)·eq(x, b).
    next: Fr,
}

impl Prefix {
    fn new(last: usize, tau: &[Fr], x: &[Fr]) -> Self {
        let (mut full, mut both, mut act, mut carry) = (Fr::ONE, Fr::ONE, Fr::ONE, Fr::ONE);
        let (mut all_next, mut next) = (Fr::ZERO, Fr::ZERO);
        for (i, (t, x)) in tau.iter().zip(x).enumerate() {
            let one = t * x;
            let up = t - one;
            let down = x - one;
            let zero = Fr::ONE - t - down;
            if last >> i & 1 == 1 {
                both = zero * full + one * both;
                act = Fr::ONE - x + x * act;
                next = zero * all_next + up * carry + one * next;
            } else {
                both *= zero;
                act *= Fr::ONE - x;
                next *= zero;
            }
            let same = zero + one;
            all_next = same * all_next + up * carry;
            full *= same;
            carry *= down;
        }
        Self { both, act, next }
    }
}

impl WeightsAt {
    pub fn new(plan: &Plan, tau: &[Fr], x: &[Fr]) -> Self {
        let last = plan.slots - 1;
        let prefix = Prefix::new(last, tau, x);
        let pair = |at_tau: usize, at_x: usize| eq_index(tau, at_tau) * eq_index(x, at_x);
        let mut w = Self {
            a: prefix.both,
            n: prefix.next + pair(0, last),
            c: prefix.both,
            x: prefix.next,
            v: Fr::ZERO,
            m: vec![Fr::ZERO; 64],
            act: prefix.act,
            eq: crate::mle::eq(tau, x),
        };
        for p in &plan.places {
            w.a -= pair(p.lead, p.lead);
            w.n -= pair(p.first(), p.lead);
            if let Some(before) = p.lead.checked_sub(1) {
                w.x -= pair(p.lead, before);
            }
            w.v += pair(p.lead, p.data_end);
            for (slot, from) in p.tails() {
                w.m[from] += pair(slot, slot);
            }
        }
        let mut sum = Fr::ZERO;
        for m in &mut w.m {
            sum += *m;
            *m = sum;
        }
        w
    }
}

/// A power of 256.
pub fn byte_shift(bytes: usize) -> Fr {
    Fr::from(256).pow_vartime([bytes as u64])
}

/// The known side of all linear constraints: what the block sumcheck adds up to.
pub fn public_sum(plan: &Plan, statement: &[Shard], tau: &[Fr], alphas: &[Fr]) -> Fr {
    let eq = |slot: usize| eq_index(tau, slot);
    let words = |words: [u32; 8]| -> Fr {
        let a = &alphas[alpha::CHAIN..];
        words.iter().zip(a).map(|(w, a)| Fr::from(u64::from(*w)) * a).sum()
    };
    let initial = words(IV);
    let input = &alphas[alpha::SPONGE_INPUT..];
    let mut sum = Fr::ZERO;
    for (s, (p, shard)) in plan.places.iter().zip(statement).enumerate() {
        let after = plan.places.get(s + 1).map_or(0, |p| p.lead);
        sum += eq(p.first()) * initial - eq(after) * words(digest_words(&shard.digest));
        let length = Fr::from(p.length as u64);
        sum += eq(p.lead)
            * (input[0] * Sponge::get().tag + input[1] * length + alphas[alpha::COMMITMENT] * shard.commitment);
        let mut padding = Fr::ZERO;
        if p.terminator_in_data() {
            let (element, after) = packing(p.rest());
            padding += input[1 + element] * Fr::from(0x80) * byte_shift(after);
        }
        if p.length_in_data() {
            padding += input[3] * Fr::from(8) * length;
        }
        sum -= eq(p.data_end) * padding;
        for (slot, from) in p.tails() {
            let known: Fr = p
                .known_bytes(slot, from)
                .map(|(byte, value)| alphas[alpha::PADDING + byte] * Fr::from(u64::from(value)))
                .sum();
            sum += eq(slot) * known;
        }
    }
    sum
}

/// A digest as the eight words of the state.
pub fn digest_words(digest: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (w, b) in words.iter_mut().zip(digest.chunks_exact(4)) {
        *w = b.iter().fold(0, |w, b| w << 8 | u32::from(*b));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closed forms against the extensions of the dense tables, for every shape of the last slots.
    #[test]
    fn closed_forms_are_the_extensions() {
        let lengths: [&[usize]; 9] = [
            &[0],
            &[0, 0, 0, 0],
            &[1, 56, 64, 119],
            &[63, 55],
            &[200, 3, 128],
            &[200, 3, 128, 0],
            &[447],
            &[448],
            &[1000, 1000],
        ];
        for lengths in lengths {
            let plan = Plan::new(lengths.iter().copied()).unwrap();
            let tau: Vec<Fr> = (0..plan.variables as u64).map(|i| Fr::from(3 + i * i)).collect();
            let x: Vec<Fr> = (0..plan.variables as u64).map(|i| Fr::from(1000 + 7 * i)).collect();
            let (dense, at) = (Weights::new(&plan, &tau), WeightsAt::new(&plan, &tau, &x));
            let eqx = eq_table(&x);
            let extend = |w: &[Fr]| -> Fr { w.iter().zip(&eqx).map(|(w, e)| w * e).sum() };
            assert_eq!(extend(&dense.a), at.a);
            assert_eq!(extend(&dense.n), at.n);
            assert_eq!(extend(&dense.c), at.c);
            assert_eq!(extend(&dense.x), at.x);
            assert_eq!(extend(&dense.v), at.v);
            assert_eq!(eqx[..plan.slots].iter().sum::<Fr>(), at.act);
            for (k, m) in at.m.iter().enumerate() {
                let want: Fr = dense.tails.iter().filter(|t| k >= t.1).map(|t| t.2 * eqx[t.0]).sum();
                assert_eq!(want, *m, "byte {k} of {lengths:?}");
            }
        }
    }
}
