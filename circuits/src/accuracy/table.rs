//! The one table that every range and activation is read from.

use zkaggle_graph::mlp::{Mlp, activate};

/// What a table entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// `(v, 0)` for a byte `v`.
    Byte,
    /// `(v, v as i8)` for a byte `v`.
    Signed,
    /// `(v, v)` for a byte `v`.
    Unsigned,
    /// `(r, 0)` for `0 ≤ r < 2^shift`.
    Remainder(u8),
    /// `(hi, clamp(hi, 0, 255))` for a signed `hi` of so many bits.
    Relu(u8),
}

impl Tag {
    /// The tag's number; bytes are 0, so that a row of zeros is an entry.
    pub fn id(self) -> u64 {
        match self {
            Self::Byte => 0,
            Self::Signed => 1,
            Self::Unsigned => 2,
            Self::Remainder(s) => 0x100 + u64::from(s),
            Self::Relu(b) => 0x200 + u64::from(b),
        }
    }

    /// First values of the entries, in order.
    fn values(self) -> std::ops::Range<i64> {
        match self {
            Self::Byte | Self::Signed | Self::Unsigned => 0..256,
            Self::Remainder(s) => 0..1 << s,
            Self::Relu(b) => -(1 << (b - 1))..1 << (b - 1),
        }
    }

    /// The second value beside `v`.
    fn second(self, v: i64) -> i64 {
        match self {
            Self::Byte | Self::Remainder(_) => 0,
            // 0..256 by `values`.
            Self::Signed => i64::from(v as u8 as i8),
            Self::Unsigned => v,
            Self::Relu(_) => i64::from(activate(v)),
        }
    }
}

/// Entries of a graph's table, tag by tag.
#[derive(Clone, Debug)]
pub struct Table {
    tags: Vec<(Tag, usize)>,
    len: usize,
}

impl Table {
    /// The tags a graph reads, each once.
    pub fn new(graph: &Mlp) -> Self {
        let mut tags = vec![Tag::Byte, Tag::Signed, Tag::Unsigned];
        for (shift, bits) in graph.relu() {
            tags.extend([Tag::Remainder(shift), Tag::Relu(bits)]);
        }
        tags.sort_unstable();
        tags.dedup();
        let mut len = 0;
        let tags = tags
            .into_iter()
            .map(|t| {
                let at = len;
                len += t.values().count();
                (t, at)
            })
            .collect();
        Self { tags, len }
    }

    /// Rows the table takes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// `(first value, second value, tag)` row by row.
    pub fn rows(&self) -> impl Iterator<Item = (i64, i64, u64)> + '_ {
        self.tags
            .iter()
            .flat_map(|&(t, _)| t.values().map(move |v| (v, t.second(v), t.id())))
    }

    /// Row of the entry `(a, b)` under the tag numbered `id`, if there is one.
    pub fn find(&self, id: u64, a: i64, b: i64) -> Option<usize> {
        let (tag, at) = self.tags.iter().find(|(t, _)| t.id() == id)?;
        let values = tag.values();
        (values.contains(&a) && tag.second(a) == b).then(|| at + (a - values.start) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::graph;
    use super::*;

    #[test]
    fn every_row_is_found_where_it_stands() {
        let t = Table::new(&graph(&[4, 6, 3], 5));
        assert_eq!(t.rows().count(), t.len());
        for (i, (a, b, id)) in t.rows().enumerate() {
            assert_eq!(t.find(id, a, b), Some(i));
            assert_eq!(t.find(id, a, b + 1), None);
        }
    }

    #[test]
    fn ranges_are_two_sided_and_relu_of_small_values_is_not_zero() {
        let t = Table::new(&graph(&[4, 6, 3], 5));
        let (rem, relu) = (Tag::Remainder(4).id(), Tag::Relu(9).id());
        for (id, a, b) in [
            (rem, 16, 0),
            (rem, -1, 0),
            (relu, 256, 255),
            (relu, -257, 0),
            (relu, 3, 0),
            (0, 256, 0),
        ] {
            assert_eq!(t.find(id, a, b), None, "{id} {a} {b}");
        }
        for (a, b) in [(3, 3), (5, 5), (255, 255), (-256, 0), (-1, 0)] {
            assert!(t.find(relu, a, b).is_some());
        }
        assert_eq!(t.find(Tag::Signed.id(), 255, -1), Some(256 + 255));
    }
}
