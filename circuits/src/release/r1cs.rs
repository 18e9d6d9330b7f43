//! A rank-1 constraint system whose every row has a name.
//!
//! One pass over a statement gives both the rows and the values of all variables, so there is no
//! second description of the circuit that could drift from the first: the shape used for a key is
//! the same pass over a dummy witness. Rows never depend on values (a test compares the two).
//!
//! A row reads `⟨a, v⟩ · ⟨b, v⟩ = ⟨c, v⟩` over the variables `v = (1, public inputs, witness)`.

use ark_ff::{One, Zero};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, Result as SynthesisResult};
use ark_relations::utils::matrix::Matrix;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroize;
use zkaggle_graph::field::{Fr, to_be_bytes};

/// Index of a variable: 0 is the constant one, then the public inputs, then the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Var(u32);

/// The variable that is always one.
pub const ONE: Var = Var(0);

impl Var {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A linear combination of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lc(Vec<(Fr, Var)>);

impl Lc {
    pub fn zero() -> Self {
        Self::default()
    }

    pub fn constant(c: Fr) -> Self {
        Self::zero().plus(c, ONE)
    }

    /// The value, when no variable but one takes part.
    pub fn as_constant(&self) -> Option<Fr> {
        self.0
            .iter()
            .try_fold(Fr::zero(), |sum, (c, v)| (*v == ONE).then(|| sum + c))
    }

    /// Adds `c·v`. Terms of one variable are merged.
    pub fn plus(mut self, c: Fr, v: Var) -> Self {
        self.push(c, v);
        self
    }

    pub fn push(&mut self, c: Fr, v: Var) {
        if c.is_zero() {
            return;
        }
        match self.0.iter_mut().find(|t| t.1 == v) {
            Some(t) => t.0 += c,
            None => self.0.push((c, v)),
        }
    }

    pub fn add(&self, o: &Self) -> Self {
        self.add_scaled(Fr::one(), o)
    }

    pub fn sub(&self, o: &Self) -> Self {
        self.add_scaled(-Fr::one(), o)
    }

    pub fn scale(&self, c: Fr) -> Self {
        Self::zero().add_scaled(c, self)
    }

    pub fn add_scaled(&self, c: Fr, o: &Self) -> Self {
        let mut out = self.clone();
        for (k, v) in &o.0 {
            out.push(c * k, *v);
        }
        out
    }

    /// `Σ coefficients[i]·parts[i]`, terms in the order of their variables.
    pub fn combine(coefficients: &[Fr], parts: &[Self]) -> Self {
        let mut terms: Vec<(Fr, Var)> = coefficients
            .iter()
            .zip(parts)
            .filter(|(c, _)| !c.is_zero())
            .flat_map(|(c, lc)| lc.0.iter().map(move |(k, v)| (*c * k, *v)))
            .collect();
        terms.sort_by_key(|t| t.1);
        let mut out: Vec<(Fr, Var)> = Vec::with_capacity(terms.len());
        for (c, v) in terms {
            match out.last_mut() {
                Some(last) if last.1 == v => last.0 += c,
                _ => out.push((c, v)),
            }
        }
        Self(out)
    }

    pub fn terms(&self) -> &[(Fr, Var)] {
        &self.0
    }

    /// The value under an assignment of all variables.
    pub fn value(&self, values: &[Fr]) -> Fr {
        self.0.iter().map(|(c, v)| *c * values[v.index()]).sum()
    }
}

impl From<Var> for Lc {
    fn from(v: Var) -> Self {
        Self(vec![(Fr::one(), v)])
    }
}

/// What a row is for: the part of the statement it belongs to, and the step within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub part: &'static str,
    pub step: &'static str,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.step)
    }
}

/// One constraint `a·b = c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: Name,
    pub a: Lc,
    pub b: Lc,
    pub c: Lc,
}

impl Row {
    pub fn holds(&self, values: &[Fr]) -> bool {
        self.a.value(values) * self.b.value(values) == self.c.value(values)
    }
}

/// The constraints alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    inputs: usize,
    variables: usize,
    rows: Vec<Row>,
}

impl System {
    /// Public inputs, the constant one not counted.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// All variables, the constant one and the inputs included.
    pub fn variables(&self) -> usize {
        self.variables
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Names of the rows that `values` does not satisfy, in order.
    pub fn unsatisfied<'a>(&'a self, values: &'a [Fr]) -> impl Iterator<Item = Name> + 'a {
        self.rows.iter().filter(|r| !r.holds(values)).map(|r| r.name)
    }

    /// The three matrices in the form `ark-groth16` reads.
    pub fn matrices(&self) -> Vec<Matrix<Fr>> {
        let matrix = |pick: fn(&Row) -> &Lc| -> Matrix<Fr> {
            self.rows
                .iter()
                .map(|r| pick(r).0.iter().map(|(c, v)| (*c, v.index())).collect())
                .collect()
        };
        vec![matrix(|r| &r.a), matrix(|r| &r.b), matrix(|r| &r.c)]
    }

    /// SHA-256 over every coefficient: a key made for other constraints is recognised by it.
    pub fn digest(&self) -> [u8; 32] {
        let mut h = Sha256::new();
        h.update(b"zkaggle/v1/r1cs");
        for n in [self.inputs, self.variables, self.rows.len()] {
            h.update((n as u64).to_be_bytes());
        }
        for r in &self.rows {
            for lc in [&r.a, &r.b, &r.c] {
                h.update((lc.0.len() as u64).to_be_bytes());
                for (c, v) in &lc.0 {
                    h.update(v.0.to_be_bytes());
                    h.update(to_be_bytes(c));
                }
            }
        }
        h.finalize().into()
    }
}

/// Hands the rows to `ark-groth16`'s key generation.
impl ConstraintSynthesizer<Fr> for &System {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> SynthesisResult<()> {
        let mut vars = vec![ark_relations::gr1cs::Variable::One];
        for i in 1..self.variables {
            // Key generation reads no values.
            vars.push(if i <= self.inputs {
                cs.new_input_variable(|| Ok(Fr::zero()))?
            } else {
                cs.new_witness_variable(|| Ok(Fr::zero()))?
            });
        }
        let lc = |l: &Lc| LinearCombination(l.0.iter().map(|(c, v)| (*c, vars[v.index()])).collect());
        for r in &self.rows {
            cs.enforce_r1cs_constraint(|| lc(&r.a), || lc(&r.b), || lc(&r.c))?;
        }
        Ok(())
    }
}

/// Rows with the values of one witness. The values are secret and zeroed on drop.
pub struct Assigned {
    pub system: System,
    values: Vec<Fr>,
}

impl Assigned {
    pub fn values(&self) -> &[Fr] {
        &self.values
    }

    /// The constraints without the values.
    pub fn into_system(mut self) -> System {
        std::mem::take(&mut self.system)
    }

    /// The first row that does not hold.
    pub fn first_unsatisfied(&self) -> Option<Name> {
        self.system.unsatisfied(&self.values).next()
    }
}

impl Drop for Assigned {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl fmt::Debug for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assigned")
            .field("rows", &self.system.rows.len())
            .finish_non_exhaustive()
    }
}

/// Collects rows and values.
pub struct Builder {
    part: &'static str,
    inputs: usize,
    values: Vec<Fr>,
    rows: Vec<Row>,
    /// A dishonest prover: variables whose value is replaced, with all later values following.
    #[cfg(test)]
    forged: std::collections::BTreeMap<usize, Fr>,
}

impl Builder {
    /// Starts with the public inputs; input `i` is [`Builder::input`]`(i)`.
    pub fn new(inputs: &[Fr]) -> Self {
        Self::with_room(inputs, 0)
    }

    /// As [`Builder::new`], with room for that many variables: values that never move leave no copies
    /// behind that would not be zeroed.
    pub fn with_room(inputs: &[Fr], variables: usize) -> Self {
        let mut values = Vec::with_capacity(variables.max(1 + inputs.len()));
        values.push(Fr::one());
        values.extend_from_slice(inputs);
        Self {
            part: "",
            inputs: inputs.len(),
            values,
            rows: vec![],
            #[cfg(test)]
            forged: Default::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn forge(mut self, variable: usize, value: Fr) -> Self {
        self.forged.insert(variable, value);
        self
    }

    /// Names the part of the statement that the following rows belong to.
    pub fn part(&mut self, part: &'static str) {
        self.part = part;
    }

    pub fn input(&self, i: usize) -> Var {
        assert!(i < self.inputs, "no public input {i}");
        Var(1 + i as u32)
    }

    /// A new witness variable. It means nothing until rows constrain it.
    pub fn witness(&mut self, value: Fr) -> Var {
        #[cfg(test)]
        let value = self.forged.get(&self.values.len()).copied().unwrap_or(value);
        self.values.push(value);
        Var(self.values.len() as u32 - 1)
    }

    pub fn eval(&self, lc: &Lc) -> Fr {
        lc.value(&self.values)
    }

    /// Demands `a·b = c`.
    pub fn enforce(&mut self, step: &'static str, a: Lc, b: Lc, c: Lc) {
        self.rows.push(Row {
            name: Name { part: self.part, step },
            a,
            b,
            c,
        });
    }

    /// A new variable that equals `a·b`; a product with a constant costs nothing.
    pub fn product(&mut self, step: &'static str, a: &Lc, b: &Lc) -> Lc {
        if let Some(k) = a.as_constant() {
            return b.scale(k);
        }
        if let Some(k) = b.as_constant() {
            return a.scale(k);
        }
        let out = self.witness(self.eval(a) * self.eval(b));
        self.enforce(step, a.clone(), b.clone(), out.into());
        out.into()
    }

    pub fn finish(self) -> Assigned {
        Assigned {
            system: System {
                inputs: self.inputs,
                variables: self.values.len(),
                rows: self.rows,
            },
            values: self.values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_checked_and_named() {
        let mut b = Builder::new(&[Fr::from(6u64)]);
        b.part("toy");
        let x = b.witness(Fr::from(2u64));
        let y = b.witness(Fr::from(3u64));
        let out = b.input(0);
        b.enforce("x·y is the input", x.into(), y.into(), out.into());
        let a = b.finish();
        assert_eq!(a.first_unsatisfied(), None);
        let mut bad = a.values().to_vec();
        bad[x.index()] = Fr::from(4u64);
        let failed: Vec<_> = a.system.unsatisfied(&bad).map(|n| n.to_string()).collect();
        assert_eq!(failed, ["toy: x·y is the input"]);
        assert_eq!(format!("{a:?}"), "Assigned { rows: 1, .. }");
    }

    #[test]
    fn terms_merge_and_constants_fold() {
        let mut b = Builder::new(&[]);
        let x: Lc = b.witness(Fr::from(5u64)).into();
        let two = Lc::constant(Fr::from(2u64));
        let sum = x.add(&x).add(&two).sub(&two.scale(Fr::from(1u64)));
        assert_eq!(b.eval(&sum), Fr::from(10u64));
        let free = b.product("free", &x, &two);
        assert_eq!(b.eval(&free), Fr::from(10u64));
        assert_eq!(b.finish().system.rows().len(), 0);
        assert_eq!(two.as_constant(), Some(Fr::from(2u64)));
        assert_eq!(x.as_constant(), None);
    }
}
