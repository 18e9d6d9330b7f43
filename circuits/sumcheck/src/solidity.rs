//! What the contract takes from the lists of this crate: the row constraints as Solidity, and the
//! constants of SHA-256 and of the sponge as a key in a data contract.

use crate::constraints::{Bits, Constraint, Move, ROWS, Rows, Term, bit_read};
use crate::encoding::scalar_to_word;
use crate::layout::{BIT_COLUMNS, alpha, read};
use crate::sponge::Sponge;
use crate::trace::K;
use halo2curves::bn256::Fr;
use std::fmt::Write as _;

/// Opens a key; padded with zeros to a word. The version is in the text.
pub const KEY_HEADER: &[u8] = b"zkaggle/v1/CID-KEY";

/// The bytes of the key: a header, the sponge's 88 constants and its matrix by rows, K₀ … K₆₃, a word each.
pub fn key() -> Vec<u8> {
    let mut out = KEY_HEADER.to_vec();
    out.resize(32, 0);
    let sponge = Sponge::get();
    let round = K.map(|k| Fr::from(u64::from(k)));
    for x in sponge.constants.iter().chain(sponge.mds.iter().flatten()).chain(&round) {
        out.extend_from_slice(&scalar_to_word(x));
    }
    out
}

/// The source of `Constraints.sol`.
pub fn constraints() -> String {
    let mut out = String::from(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         // Generated from circuits/sumcheck/src/constraints.rs; a test of that crate compares. To write it anew:\n\
         //   ZKAGGLE_WRITE=1 cargo test -p zkaggle-sumcheck solidity\n\
         pragma solidity 0.8.37;\n\n\
         import {ACT, ALPHA} from \"./Memory.sol\";\n\n\
         /// @title Step \"row\": the constraints of SHA-256's rounds over the 274 reads of a row\n\
         /// @dev An exclusive or of x, y, z is (1 − (1 − 2x)(1 − 2y)(1 − 2z))/2: sums over bits are kept doubled.\n\
         library Constraints {\n",
    );
    out += "    /// @notice What the last claim of the row sumcheck must be.\n\
            \x20   /// @param reads where the reads are\n\
            \x20   /// @param round the round constant, times the selector of slots in use\n\
            \x20   /// @param all the rows' weight\n\
            \x20   /// @param schedule the weight of rows 1 to 48\n\
            \x20   function row(uint256 reads, uint256 round, uint256 all, uint256 schedule, uint256 p)\n\
            \x20       internal\n\
            \x20       pure\n\
            \x20       returns (uint256 claim)\n\
            \x20   {\n\
            \x20       uint256[3] memory alpha;\n\
            \x20       assembly (\"memory-safe\") {\n\
            \x20           mcopy(alpha, ALPHA, 96)\n\
            \x20       }\n\
            \x20       claim = _bits(reads, p);\n";
    for (i, c) in ROWS.iter().enumerate() {
        if c.rows == Rows::All {
            let _ = writeln!(
                out,
                "        claim = addmod(claim, mulmod(alpha[{i}], {}, p), p);",
                call(c)
            );
        }
    }
    out += "        claim = mulmod(claim, all, p);\n";
    for (i, c) in ROWS.iter().enumerate() {
        if c.rows == Rows::Schedule {
            let _ = writeln!(
                out,
                "        claim = addmod(claim, mulmod(mulmod(schedule, alpha[{i}], p), {}, p), p);",
                call(c)
            );
        }
    }
    out += "    }\n";
    for c in &ROWS {
        constraint(&mut out, c);
    }
    bits(&mut out);
    out += "}\n";
    out
}

/// Name of a constraint's function.
fn function(c: &Constraint) -> String {
    let mut words = c.name.split(' ');
    let mut name = format!("_{}", words.next().unwrap_or_default());
    for w in words {
        name += &w[..1].to_uppercase();
        name += &w[1..];
    }
    name
}

/// A constraint's arguments, with what goes before each.
fn arguments(c: &Constraint, kind: &str) -> String {
    let round = c.terms.iter().any(|(_, t)| *t == Term::Round);
    let names = ["reads"].into_iter().chain(round.then_some("round")).chain(["p"]);
    names.map(|n| format!("{kind}{n}")).collect::<Vec<_>>().join(", ")
}

fn call(c: &Constraint) -> String {
    format!("{}({})", function(c), arguments(c, ""))
}

/// Byte offset of read k.
fn at(k: usize) -> usize {
    32 * k
}

/// A bit of a vector at the position in `i`, a byte offset below 1,024.
fn bit(v: Bits) -> String {
    format!("mload(add(add(reads, {}), i))", at(read::BITS + 32 * v as usize))
}

/// 1 − 2b of a moved bit.
fn sign(out: &mut String, name: &str, v: Bits, m: Move) {
    let base = at(read::BITS + 32 * v as usize);
    let _ = match m {
        Move::Rotate(n) => writeln!(
            out,
            "                let {name} := sub(one, shl(1, mload(add(add(reads, {base}), and(add(i, {}), 992)))))",
            32 * n
        ),
        Move::Shift(n) => writeln!(
            out,
            "                let {name} := 1\n                if lt(i, {}) {{ {name} := sub(one, shl(1, mload(add(add(reads, {}), i)))) }}",
            32 * (32 - n),
            base + 32 * n
        ),
    };
}

/// Whether a term is a function of bits.
fn of_bits(t: &Term) -> bool {
    matches!(
        t,
        Term::Packed(_) | Term::Xor(..) | Term::Choose(..) | Term::Majority(..)
    )
}

fn constraint(out: &mut String, c: &Constraint) {
    let _ = write!(
        out,
        "\n    /// @dev Constraint \"{}\", FIPS 180-4 section {}.\n    function {}({}) private pure returns (uint256 v) {{\n",
        c.name,
        c.source,
        function(c),
        arguments(c, "uint256 ")
    );
    out.push_str(
        "        assembly (\"memory-safe\") {\n            // 2p + 1: less twice a value it is 1 − 2x, and no underflow.\n            let one := add(shl(1, p), 1)\n            for { let i := 992 } lt(i, 1024) { i := sub(i, 32) } {\n                v := add(v, v)\n",
    );
    for (n, (coefficient, term)) in c.terms.iter().filter(|(_, t)| of_bits(t)).enumerate() {
        // Subtracted together below.
        assert_eq!(
            *coefficient, -1,
            "{}: the generator knows sums of bits that are subtracted",
            c.name
        );
        let doubled = match *term {
            Term::Packed(v) => format!("shl(1, {})", bit(v)),
            Term::Xor(v, moves) => {
                for (m, name) in moves.into_iter().zip(["x", "y", "z"]) {
                    sign(out, &format!("{name}{n}"), v, m);
                }
                format!("add(1, sub(p, mulmod(mulmod(x{n}, y{n}, p), z{n}, p)))")
            }
            Term::Choose(e, f, g) => {
                let _ = writeln!(out, "                let g{n} := {}", bit(g));
                format!(
                    "shl(1, add(g{n}, mulmod({}, add({}, sub(p, g{n})), p)))",
                    bit(e),
                    bit(f)
                )
            }
            Term::Majority(x, y, z) => {
                let _ = writeln!(
                    out,
                    "                let x{n} := {}\n                let y{n} := {}\n                let b{n} := mulmod(x{n}, y{n}, p)",
                    bit(x),
                    bit(y)
                );
                format!(
                    "shl(1, add(b{n}, mulmod({}, add(add(x{n}, y{n}), shl(1, sub(p, b{n}))), p)))",
                    bit(z)
                )
            }
            Term::Word(_) | Term::Carry(_) | Term::Round | Term::One => String::new(),
        };
        let _ = writeln!(out, "                v := addmod(v, {doubled}, p)");
    }
    out.push_str(
        "            }\n            // Half of it, and negative.\n            v := sub(p, mulmod(v, shr(1, add(p, 1)), p))\n",
    );
    for (coefficient, term) in c.terms.iter().filter(|(_, t)| !of_bits(t)) {
        let value = match *term {
            Term::Word(w) => format!("mload(add(reads, {}))", at(read::WORDS + w as usize)),
            Term::Carry(n) => format!("mload(add(reads, {}))", at(read::CARRIES + n)),
            Term::Round => "round".to_owned(),
            _ => "mload(ACT)".to_owned(),
        };
        let value = match coefficient.unsigned_abs() {
            1 => value,
            n => format!("mulmod({value}, {n}, p)"),
        };
        let value = if *coefficient < 0 {
            format!("sub(p, {value})")
        } else {
            value
        };
        let _ = writeln!(out, "            v := addmod(v, {value}, p)");
    }
    out.push_str("        }\n    }\n");
}

/// Σ alpha^(3+c)·(x² − x), in runs of neighbouring reads.
fn bits(out: &mut String) {
    out.push_str(
        "\n    /// @dev Constraints \"bit c\": Σ alpha^(3+c)·(x² − x).\n    function _bits(uint256 reads, uint256 p) private pure returns (uint256 v) {\n        assembly (\"memory-safe\") {\n            function run(from, rows, power, q) -> s {\n                for { let end := add(from, rows) } lt(from, end) { from := add(from, 32) } {\n                    let x := mload(from)\n                    s := addmod(s, mulmod(mload(power), mulmod(x, add(x, sub(q, 1)), q), q), q)\n                    power := add(power, 32)\n                }\n            }\n",
    );
    let mut column = 0;
    while column < BIT_COLUMNS {
        let first = bit_read(column);
        let mut rows = 1;
        while column + rows < BIT_COLUMNS && bit_read(column + rows) == first + rows {
            rows += 1;
        }
        let _ = writeln!(
            out,
            "            v := addmod(v, run(add(reads, {}), {}, add(ALPHA, {}), p), p)",
            at(first),
            at(rows),
            at(alpha::BIT + column)
        );
        column += rows;
    }
    out.push_str("        }\n    }\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_committed_solidity_is_what_the_constraints_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/src/verifiers/cid/Constraints.sol");
        if std::env::var_os("ZKAGGLE_WRITE").is_some() {
            std::fs::write(&path, constraints()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == constraints(),
            "{} is stale: ZKAGGLE_WRITE=1 cargo test -p zkaggle-sumcheck solidity, then npm run artifacts in contracts",
            path.display()
        );
    }

    #[test]
    fn the_key_is_pinned() {
        use sha3::{Digest, Keccak256};
        // A change here changes every dataset key's vkId.
        assert_eq!(key().len(), 32 * 169);
        assert_eq!(
            hex::encode(Keccak256::digest(key())),
            "634dccdead9006baddbb8e1752cba47975c1b860e296658b744d918a31a22d73"
        );
    }
}
