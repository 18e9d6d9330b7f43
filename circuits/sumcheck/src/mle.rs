//! Multilinear polynomials on the cube, and univariate round messages.

use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// `eq(point, b)` for every b, bit i of b beside `point[i]`.
pub fn eq_table(point: &[Fr]) -> Vec<Fr> {
    let mut table = Vec::with_capacity(1 << point.len());
    table.push(Fr::ONE);
    for x in point {
        for i in 0..table.len() {
            let high = table[i] * x;
            table[i] -= high;
            table.push(high);
        }
    }
    table
}

/// `eq(x, y)` of two points.
pub fn eq(x: &[Fr], y: &[Fr]) -> Fr {
    x.iter().zip(y).map(|(x, y)| eq1(x, y)).product()
}

/// One factor of eq.
pub fn eq1(x: &Fr, y: &Fr) -> Fr {
    let xy = x * y;
    Fr::ONE - x - y + xy.double()
}

/// `eq(point, index)`.
pub fn eq_index(point: &[Fr], index: usize) -> Fr {
    point
        .iter()
        .enumerate()
        .map(|(i, x)| if index >> i & 1 == 1 { *x } else { Fr::ONE - x })
        .product()
}

/// `low + x·(high − low)`.
pub fn line(low: &Fr, high: &Fr, x: &Fr) -> Fr {
    *low + *x * (high - low)
}

/// Binds the lowest variable of a table, zero past its end, to `x`.
pub fn bind(table: &mut Vec<Fr>, x: &Fr) {
    let half = table.len().div_ceil(2);
    for i in 0..half {
        let high = table.get(2 * i + 1).copied().unwrap_or(Fr::ZERO);
        table[i] = line(&table[2 * i], &high, x);
    }
    table.truncate(half);
}

/// Powers 1, x, x², … of a challenge.
pub fn powers(x: &Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |p| Some(p * x)).take(n).collect()
}

/// What a round sends: all coefficients but the linear one, which its claim implies.
pub fn message(coefficients: &[Fr]) -> Vec<Fr> {
    coefficients
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != 1)
        .map(|(_, c)| *c)
        .collect()
}

/// The round polynomial of a message under a claim, at `x`.
///
/// Its linear coefficient is the one that makes p(0) + p(1) the claim.
pub fn evaluate_message(message: &[Fr], claim: &Fr, x: &Fr) -> Fr {
    let Some((constant, higher)) = message.split_first() else {
        return *claim;
    };
    let linear = *claim - constant.double() - higher.iter().sum::<Fr>();
    let mut value = Fr::ZERO;
    for c in higher.iter().rev() {
        value = (value + c) * x;
    }
    (value + linear) * x + constant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_products() {
        let p: Vec<Fr> = (3..7u64).map(Fr::from).collect();
        let table = eq_table(&p);
        for (b, e) in table.iter().enumerate() {
            let bits: Vec<Fr> = (0..4).map(|i| Fr::from((b >> i & 1) as u64)).collect();
            assert_eq!(*e, eq_index(&p, b));
            assert_eq!(*e, eq(&p, &bits));
        }
    }

    #[test]
    fn binding_every_variable_evaluates() {
        let p: Vec<Fr> = (3..6u64).map(Fr::from).collect();
        for n in 1..=8u64 {
            let values: Vec<Fr> = (0..n).map(|i| Fr::from(i * i + 1)).collect();
            let want: Fr = values.iter().zip(eq_table(&p)).map(|(v, e)| v * e).sum();
            let mut table = values;
            for x in &p {
                bind(&mut table, x);
            }
            assert_eq!(table, [want]);
        }
    }

    #[test]
    fn a_message_holds_all_but_what_the_claim_implies() {
        let c: Vec<Fr> = (5..10u64).map(Fr::from).collect();
        let at = |x: &Fr| c.iter().rev().fold(Fr::ZERO, |a, c| a * x + c);
        let claim = at(&Fr::ZERO) + at(&Fr::ONE);
        let x = Fr::from(77);
        assert_eq!(evaluate_message(&message(&c), &claim, &x), at(&x));
        // Whatever is sent, the two ends add up to the claim.
        let m = [Fr::from(1), Fr::from(2)];
        let ends = [Fr::ZERO, Fr::ONE].map(|x| evaluate_message(&m, &claim, &x));
        assert_eq!(ends[0] + ends[1], claim);
    }
}
