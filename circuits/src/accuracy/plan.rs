//! Where everything stands for one graph: rows, fixed columns, copies.
//!
//! ```text
//! row 0 ┬ data lane (bytes and their sponge) ┬ unit rows, sample by sample
//!       │                                    │
//!   end ┼ end row, powers of σ ──────────────┘
//!       ├ wide sponges: C, salt, R
//!       ├ weight rows, one a byte
//!       ├ class and match rows, sample by sample
//!       ├ header rows, only where records do not begin at byte 0
//!       └ closing rows, one a sample, only where a record's last byte is a feature
//! ```
//!
//! The data lane and the unit rows lie side by side in different columns; everything below uses
//! the columns of both.
//!
//! # Layouts
//! Gates know two kinds of byte: one that enters its sample's sum with a coefficient, and the last of
//! a record, which closes the sum and adds a coefficient without its byte. Which byte of a shard is
//! what stands in the copies of the coefficient (VA): the weight sum of a feature, or the zero cell
//! for a byte of the header, the padding or the label. Where the last byte of a record is a feature,
//! its closing row forms `bias + coefficient · byte` as a weight row would, and the record closes
//! with that. A header row adds `offset` to the bytes of all records as an absorbed constant.

use super::columns::{adv, fix};
use super::table::{Table, Tag};
use crate::backend::convert::to_halo;
use crate::gadgets::poseidon::{Permutation, T_WIDE};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use zkaggle_graph::mlp::{Mlp, MlpError};
use zkaggle_graph::packing::{CHUNK, DATA_CHUNKS, SHA_BLOCK};
use zkaggle_graph::tag::Tag as Domain;

/// Rows a proof keeps random, and the one behind the last usable row; pinned by a test against the
/// constraint system.
pub const RESERVED_ROWS: usize = 9;
/// Largest circuit this crate plans: memory grows with the rows, and larger batches are sharded.
pub const MAX_K: u32 = 22;

/// Rows of one wide permutation: absorbing, 8 full rounds of two rows, partial rounds.
const ABSORB_ROWS: usize = (T_WIDE - 1) / 2;

/// A cell by advice column and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub column: usize,
    pub row: usize,
}

impl Cell {
    pub const fn new(column: usize, row: usize) -> Self {
        Self { column, row }
    }
}

/// What a wide sponge absorbs at one place.
#[derive(Clone, Copy, Debug)]
pub enum Element {
    /// A constant of the graph; the cell is zero.
    Constant(Fr),
    /// A copy of a cell.
    Copy(Cell),
    /// The blind, free where it first appears.
    Blind,
}

/// One wide sponge.
#[derive(Clone, Debug)]
pub struct Sponge {
    pub tag: Domain,
    pub start: usize,
    pub elements: Vec<Element>,
}

impl Sponge {
    /// Rows from one permutation to the next.
    pub fn stride() -> usize {
        let p = Permutation::get(T_WIDE);
        let full = p.sparse.iter().filter(|r| r.full).count();
        ABSORB_ROWS + p.sparse.len() + full
    }

    /// Permutations for so many elements.
    fn permutations(elements: usize) -> usize {
        elements.div_ceil(T_WIDE - 1)
    }

    /// Row of the last state.
    pub fn end(&self) -> usize {
        self.start + Self::permutations(self.elements.len()) * Self::stride()
    }

    /// Cell of the result.
    pub fn output(&self) -> Cell {
        Cell::new(adv::W[0], self.end())
    }

    /// Cell that element `i` enters through, up to the end of its block.
    pub fn cell(&self, i: usize) -> Cell {
        let (block, place) = (i / (T_WIDE - 1), i % (T_WIDE - 1));
        Cell::new(
            if place.is_multiple_of(2) { adv::ON } else { adv::OUT },
            self.start + block * Self::stride() + place / 2,
        )
    }
}

/// Why a graph has no circuit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Mlp(#[from] MlpError),
    #[error("the circuit needs {rows} rows, more than 2^{MAX_K}; use fewer samples a shard or a smaller network")]
    Rows { rows: usize },
}

/// The layout of one graph's circuit.
#[derive(Clone, Debug)]
pub struct Plan {
    graph: Mlp,
    table: Table,
    k: u32,
    end: usize,
    model: Sponge,
    salt: Sponge,
    results: Sponge,
    weights: usize,
    classes: usize,
    last: usize,
    header: usize,
    closing: usize,
}

impl Plan {
    /// Lays `graph` out.
    ///
    /// # Errors
    /// [`PlanError::Rows`] when it does not fit the largest circuit.
    pub fn new(graph: &Mlp) -> Result<Self, PlanError> {
        let table = Table::new(graph);
        let blocks = graph.schema().shard_bytes(graph.samples()).div_ceil(SHA_BLOCK);
        let units: usize = graph.samples() * hidden(graph);
        // One permutation for the length, one a block; more when the unit rows are longer, so that
        // the end row lies below both.
        let permutations = (blocks + 1).max(units / SHA_BLOCK + 1);
        let end = permutations * SHA_BLOCK;

        let words = graph.weight_bytes().div_ceil(CHUNK);
        let model_elements = 3 + graph.class_words() + 1;
        let result_elements = 2 + graph.prediction_words();
        let sponge_rows = Sponge::stride()
            * [model_elements, 2, result_elements]
                .map(Sponge::permutations)
                .iter()
                .sum::<usize>();
        let start = end + 2;
        let weights = (start + sponge_rows).max(end + outputs(graph)) + 1;
        let classes = weights + graph.weight_bytes();
        let last = classes + graph.samples() * (usize::from(graph.schema().classes) + 1);
        let header = last + 1;
        let closing = header + header_rows(graph);

        let zero = Cell::new(adv::BYTE, end);
        let bytes = graph.weight_bytes();
        let mut elements = vec![
            Element::Constant(to_halo(&graph.arch_id())),
            Element::Constant(Fr::from(bytes as u64)),
            Element::Constant(Fr::from(graph.class_bytes() as u64)),
        ];
        for word in 0..graph.class_words() {
            elements.push(Element::Copy(if word < words {
                Cell::new(adv::OUT, weights + ((word + 1) * CHUNK).min(bytes) - 1)
            } else {
                zero
            }));
        }
        elements.push(Element::Blind);
        let model = Sponge {
            tag: Domain::Model,
            start,
            elements,
        };
        let blind = model.cell(model.elements.len() - 1);
        let salt = Sponge {
            tag: Domain::Salt,
            start: model.end(),
            elements: vec![Element::Copy(blind), Element::Copy(Cell::new(adv::OUT, 0))],
        };
        let mut elements = vec![Element::Copy(Cell::new(adv::COUNT, last)), Element::Copy(salt.output())];
        let stride = usize::from(graph.schema().classes) + 1;
        for word in 0..graph.prediction_words() {
            let sample = ((word + 1) * CHUNK).min(graph.samples()) - 1;
            elements.push(Element::Copy(Cell::new(
                adv::OUT,
                classes + sample * stride + stride - 1,
            )));
        }
        let results = Sponge {
            tag: Domain::Results,
            start: salt.end(),
            elements,
        };

        let rows = (closing + closing_rows(graph)).max(table.len()) + 1 + RESERVED_ROWS;
        let k = rows.next_power_of_two().trailing_zeros();
        if k > MAX_K {
            return Err(PlanError::Rows { rows });
        }
        Ok(Self {
            graph: graph.clone(),
            table,
            k,
            end,
            model,
            salt,
            results,
            weights,
            classes,
            last,
            header,
            closing,
        })
    }

    pub fn graph(&self) -> &Mlp {
        &self.graph
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// log₂ of the rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Rows that hold values; the rest of the 2^k are random.
    pub fn usable(&self) -> usize {
        (1 << self.k) - RESERVED_ROWS
    }

    /// Rows in use: the rows that hold the statement, and the table beside them.
    pub fn rows(&self) -> usize {
        (self.closing + closing_rows(&self.graph)).max(self.table.len())
    }

    /// The end row: how many rows the data lane has.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Permutations of the data sponge.
    pub fn permutations(&self) -> usize {
        self.end / SHA_BLOCK
    }

    /// Model commitment, salt, results hash.
    pub fn sponges(&self) -> [&Sponge; 3] {
        [&self.model, &self.salt, &self.results]
    }

    /// First weight row.
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// First class row of a sample.
    pub fn class_row(&self, sample: usize) -> usize {
        self.classes + sample * (usize::from(self.graph.schema().classes) + 1)
    }

    /// Match row of a sample.
    pub fn match_row(&self, sample: usize) -> usize {
        self.class_row(sample + 1) - 1
    }

    /// The row behind the last match row: final score, count and class fold.
    pub fn last(&self) -> usize {
        self.last
    }

    /// Row of a record's first byte in the data lane.
    fn record_row(&self, sample: usize) -> usize {
        self.graph.schema().shard_bytes(sample)
    }

    /// Row of a feature in the data lane.
    pub fn feature_row(&self, sample: usize, feature: usize) -> usize {
        self.record_row(sample) + self.graph.schema().places().features_at as usize + feature
    }

    /// Row of a label in the data lane.
    pub fn label_row(&self, sample: usize) -> usize {
        self.record_row(sample) + self.graph.schema().places().label_at as usize
    }

    /// Row of a record's last byte, padding included: where its sum closes and the next record may be off.
    pub fn record_end(&self, sample: usize) -> usize {
        self.record_row(sample + 1) - 1
    }

    /// The header rows, of which the first holds the bytes of all records and the last those of the shard.
    pub fn header(&self) -> Option<std::ops::RangeInclusive<usize>> {
        (header_rows(&self.graph) > 0).then(|| self.header..=self.header + ABSORB_ROWS)
    }

    /// Row that forms the closing coefficient of a record whose last byte is a feature.
    pub fn closing_row(&self, sample: usize) -> Option<usize> {
        (closing_rows(&self.graph) > 0).then(|| self.closing + sample)
    }

    /// Unit rows of a sample, all hidden layers.
    pub fn hidden(&self) -> usize {
        hidden(&self.graph)
    }

    /// First unit row of a sample.
    pub fn unit_row(&self, sample: usize) -> usize {
        sample * self.hidden()
    }

    /// Cells of the public inputs, in order.
    pub fn inputs(&self) -> [Cell; 6] {
        [
            Cell::new(adv::ON, self.end + 1),
            self.model.output(),
            Cell::new(adv::OUT, 0),
            Cell::new(adv::COUNT, self.last),
            Cell::new(adv::SCORE, self.last),
            self.results.output(),
        ]
    }

    /// Zero cells of the two phases.
    pub fn zeros(&self) -> [Cell; 2] {
        [Cell::new(adv::BYTE, self.end), Cell::new(adv::VA, self.end)]
    }

    /// Cell of σ to the power `output`.
    pub fn power(&self, output: usize) -> Cell {
        Cell::new(adv::TB, self.end + output)
    }

    /// Every weight byte in the order of its rows.
    pub fn weight_bytes(&self) -> Vec<WeightByte> {
        let mut out: Vec<WeightByte> = vec![];
        let mut first_output = 0;
        let mut last_bias = None;
        for (inputs, outputs) in self.graph.dense() {
            let first = out.len();
            for o in 0..outputs {
                for j in 0..inputs {
                    let i = first + o * inputs + j;
                    out.push(WeightByte {
                        tag: Tag::Signed,
                        output: first_output + o,
                        scale: 1,
                        before: (o > 0).then(|| i - inputs),
                    });
                }
            }
            for o in 0..outputs {
                for byte in 0..4u32 {
                    let i = out.len();
                    out.push(WeightByte {
                        tag: if byte == 0 { Tag::Signed } else { Tag::Unsigned },
                        output: first_output + o,
                        scale: 1 << (24 - 8 * byte),
                        before: last_bias.replace(i),
                    });
                }
            }
            first_output += outputs;
        }
        out
    }

    /// Index of the byte whose running sum is the coefficient of a layer's input: the last output's.
    pub fn coefficient(&self, layer: usize, input: usize) -> usize {
        let mut at = 0;
        for (l, (inputs, outputs)) in self.graph.dense().enumerate() {
            if l == layer {
                return at + (outputs - 1) * inputs + input;
            }
            at += inputs * outputs + 4 * outputs;
        }
        at
    }

    /// Index of the byte whose running sum is that of all biases: the last byte.
    pub fn bias(&self) -> usize {
        self.graph.weight_bytes() - 1
    }

    /// First output index of the last layer.
    pub fn first_class(&self) -> usize {
        self.hidden()
    }

    /// Pairs of cells that are equal.
    pub fn copies(&self) -> Vec<(Cell, Cell)> {
        let [zero, zero2] = self.zeros();
        let mut out = vec![];
        let bytes = self.weight_bytes();
        let sum = |i: usize| Cell::new(adv::FB, self.weights + i);
        let g = &self.graph;

        // Data lane.
        let records = Cell::new(adv::W[1], self.end + 1);
        match self.header() {
            None => out.push((Cell::new(adv::W[1], 0), records)),
            Some(rows) => {
                out.push((Cell::new(adv::W[1], *rows.start()), records));
                out.push((Cell::new(adv::ON, *rows.start()), zero));
                out.push((Cell::new(adv::W[1], 0), Cell::new(adv::W[1], *rows.end())));
            }
        }
        for row in 0..g.schema().offset() {
            out.push((Cell::new(adv::VA, row), zero2));
        }
        for i in 0..g.samples() {
            let end = self.record_end(i);
            let features = self.feature_row(i, 0)..self.feature_row(i, g.schema().features());
            for (j, row) in features.clone().enumerate().filter(|&(_, row)| row != end) {
                out.push((Cell::new(adv::VA, row), sum(self.coefficient(0, j))));
            }
            let closing = match self.closing_row(i) {
                None => sum(self.bias()),
                Some(row) => {
                    let last = self.coefficient(0, g.schema().features() - 1);
                    out.push((Cell::new(adv::VB, row), sum(self.bias())));
                    out.push((Cell::new(adv::TB, row), sum(last)));
                    out.push((Cell::new(adv::OUT, row), Cell::new(adv::BYTE, end)));
                    Cell::new(adv::FB, row)
                }
            };
            out.push((Cell::new(adv::VA, end), closing));
            // Label, where it does not close the record, and padding.
            let rest = (self.record_row(i)..end).filter(|row| !features.contains(row));
            out.extend(rest.map(|row| (Cell::new(adv::VA, row), zero2)));
            let row = self.match_row(i);
            out.push((Cell::new(adv::BYTE, row), Cell::new(adv::BYTE, self.label_row(i))));
            out.push((Cell::new(adv::ON, row), Cell::new(adv::ON, self.label_row(i))));
        }

        // Units.
        out.push((Cell::new(adv::FB, 0), zero2));
        for i in 0..g.samples() {
            let mut row = self.unit_row(i);
            let mut output = 0;
            for (layer, width) in self.hidden_layers() {
                for unit in 0..width {
                    out.push((Cell::new(adv::VB, row), sum(self.coefficient(layer + 1, unit))));
                    out.push((Cell::new(adv::TB, row), self.power(output)));
                    row += 1;
                    output += 1;
                }
            }
        }

        // Weights.
        for (i, b) in bytes.iter().enumerate() {
            let row = self.weights + i;
            out.push((Cell::new(adv::TB, row), self.power(b.output)));
            out.push((Cell::new(adv::VB, row), b.before.map_or(zero2, sum)));
        }

        // Classes.
        let start = self.class_row(0);
        out.push((Cell::new(adv::SCORE, start), zero));
        out.push((Cell::new(adv::COUNT, start), zero));
        out.push((Cell::new(adv::FB, start), zero2));
        for i in 0..g.samples() {
            for o in 0..usize::from(g.schema().classes) {
                out.push((
                    Cell::new(adv::TB, self.class_row(i) + o),
                    self.power(self.first_class() + o),
                ));
            }
        }

        // End.
        out.push((
            Cell::new(adv::VB, self.end),
            Cell::new(adv::FB, self.unit_row(g.samples())),
        ));
        out.push((Cell::new(adv::FB, self.end), Cell::new(adv::FB, self.last)));
        out.push((Cell::new(adv::W[0], self.end + 1), Cell::new(adv::COUNT, self.last)));

        // Wide sponges; cells behind the last element of a block are zero as well.
        for s in self.sponges() {
            let full = s.elements.len().next_multiple_of(T_WIDE - 1);
            for i in 0..full {
                match s.elements.get(i) {
                    Some(Element::Copy(from)) => out.push((s.cell(i), *from)),
                    Some(Element::Blind) => {}
                    Some(Element::Constant(_)) | None => out.push((s.cell(i), zero)),
                }
            }
        }
        out
    }

    /// `(dense layer in front, width)` of every ReLU layer.
    pub fn hidden_layers(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.graph
            .dense()
            .map(|(_, outputs)| outputs)
            .enumerate()
            .take(self.graph.relu().count())
    }

    /// The fixed columns, each as long as the rows in use or shorter: what follows is zero.
    pub fn fixed(&self) -> Vec<Vec<Fr>> {
        let mut f = Fixed::new(self.usable());
        self.fix_table(&mut f);
        self.fix_data(&mut f);
        self.fix_units(&mut f);
        for s in self.sponges() {
            fix_sponge(s, &mut f);
        }
        self.fix_tail(&mut f);
        self.fix_layout(&mut f);
        f.0
    }

    /// Some of the fixed columns.
    ///
    /// # Panics
    /// Never for column indices of [`fix`].
    pub fn fixed_columns(&self, columns: &[usize]) -> Vec<Vec<Fr>> {
        let mut all = self.fixed();
        columns.iter().map(|&c| std::mem::take(&mut all[c])).collect()
    }

    fn fix_table(&self, f: &mut Fixed) {
        for (row, (a, b, tag)) in self.table.rows().enumerate() {
            f.int(fix::T0, row, a);
            f.int(fix::T1, row, b);
            f.set(fix::TT, row, Fr::from(tag));
        }
        let last = self.usable() - 1;
        for row in 0..last {
            f.one(fix::LIVE, row);
        }
        f.one(fix::ENDS, 0);
        f.one(fix::ENDS, last);
    }

    fn fix_data(&self, f: &mut Fixed) {
        let rounds = &Permutation::get(zkaggle_graph::poseidon::T_DATA).rounds;
        let schema = self.graph.schema();
        let bytes = schema.shard_bytes(self.graph.samples());
        let starts = [0, DATA_CHUNKS[0], DATA_CHUNKS[0] + DATA_CHUNKS[1]];
        f.one(fix::FIRST, 0);
        for row in 0..self.end {
            let in_block = row % SHA_BLOCK;
            let round = &rounds[in_block];
            f.one(fix::DATA, row);
            for (i, c) in round.constants.iter().enumerate() {
                f.set(fix::RC[i], row, *c);
            }
            if round.full {
                f.one(fix::FULL, row);
            }
            if in_block == 0 && row > 0 {
                f.one(fix::EDGE, row);
            }
            if !starts.contains(&in_block) {
                f.int(fix::CARRY, row, 256);
            }
            if row < bytes {
                f.one(fix::FEATURE, row);
            }
        }
        for sample in 0..self.graph.samples() {
            let end = self.record_end(sample);
            f.set(fix::FEATURE, end, Fr::ZERO);
            f.one(fix::LAST, end);
        }
        f.one(fix::EDGE, self.end);
        f.one(fix::END, self.end);
        f.int(fix::SCALE, self.end, schema.stride() as i64);
        for i in 1..outputs(&self.graph) {
            f.one(fix::POWER, self.end + i - 1);
        }
    }

    fn fix_units(&self, f: &mut Fixed) {
        for sample in 0..self.graph.samples() {
            let mut row = self.unit_row(sample);
            for ((_, width), (shift, bits)) in self.hidden_layers().zip(self.graph.relu()) {
                for _ in 0..width {
                    f.one(fix::UNIT, row);
                    f.int(fix::SCALE, row, 1 << shift);
                    f.set(fix::G1, row, Fr::from(Tag::Relu(bits).id()));
                    f.set(fix::G2, row, Fr::from(Tag::Remainder(shift).id()));
                    row += 1;
                }
            }
            if self.hidden() > 0 {
                f.one(fix::LAST_UNIT, row - 1);
            }
        }
    }

    /// Weight, class and match rows.
    fn fix_tail(&self, f: &mut Fixed) {
        for (i, b) in self.weight_bytes().iter().enumerate() {
            let row = self.weights + i;
            f.one(fix::WEIGHT, row);
            f.int(fix::SCALE, row, b.scale);
            f.set(fix::G1, row, Fr::from(b.tag.id()));
            self.place(f, row, i);
        }
        for sample in 0..self.graph.samples() {
            let (start, end) = (self.class_row(sample), self.match_row(sample));
            f.one(fix::SCALE, start);
            for row in start..end {
                f.one(fix::CLASS, row);
                f.one(fix::CARRY, row);
            }
            f.one(fix::MATCH, end);
            self.place(f, end, sample);
        }
    }

    /// Header rows absorb `offset` into lane 1, which four rows of rotation bring back to its place; closing
    /// rows are weight rows of one byte.
    fn fix_layout(&self, f: &mut Fixed) {
        if let Some(rows) = self.header() {
            f.int(fix::RC[0], *rows.start(), self.graph.schema().offset() as i64);
            for row in *rows.start()..*rows.end() {
                f.one(fix::ABSORB, row);
            }
        }
        for row in (0..self.graph.samples()).filter_map(|i| self.closing_row(i)) {
            f.one(fix::WEIGHT, row);
            f.one(fix::SCALE, row);
            f.set(fix::G1, row, Fr::from(Tag::Unsigned.id()));
            f.one(fix::RC[0], row);
        }
    }

    /// Byte `i` of a packed string enters its word at its place value; the first clears the word.
    fn place(&self, f: &mut Fixed, row: usize, i: usize) {
        let place = i % CHUNK;
        if place > 0 {
            f.one(fix::CARRY, row);
        }
        f.set(fix::RC[0], row, Fr::from(256).pow([(CHUNK - 1 - place) as u64]));
    }
}

/// One byte of the packed weights.
#[derive(Clone, Copy, Debug)]
pub struct WeightByte {
    /// Signed or unsigned reading.
    pub tag: Tag,
    /// Output it contributes to, numbered through all layers.
    pub output: usize,
    /// What its value is multiplied by.
    pub scale: i64,
    /// Index of the byte whose running sum it continues.
    pub before: Option<usize>,
}

fn header_rows(graph: &Mlp) -> usize {
    match graph.schema().offset() {
        0 => 0,
        _ => ABSORB_ROWS + 1,
    }
}

/// A row a sample where the last byte of a record is a feature: a label in front, and no padding behind.
fn closing_rows(graph: &Mlp) -> usize {
    let (schema, places) = (graph.schema(), graph.schema().places());
    if places.features_at as usize + schema.feature_bytes() == schema.stride() {
        graph.samples()
    } else {
        0
    }
}

fn hidden(graph: &Mlp) -> usize {
    graph.dense().map(|(_, o)| o).take(graph.relu().count()).sum()
}

fn outputs(graph: &Mlp) -> usize {
    graph.dense().map(|(_, o)| o).sum()
}

/// Fixed columns while they are written.
struct Fixed(Vec<Vec<Fr>>);

impl Fixed {
    fn new(rows: usize) -> Self {
        Self(vec![vec![Fr::ZERO; rows]; fix::COUNT_ALL])
    }

    fn set(&mut self, column: usize, row: usize, x: Fr) {
        self.0[column][row] = x;
    }

    fn int(&mut self, column: usize, row: usize, x: i64) {
        self.set(column, row, crate::gadgets::field::signed(x));
    }

    fn one(&mut self, column: usize, row: usize) {
        self.set(column, row, Fr::ONE);
    }
}

fn fix_sponge(s: &Sponge, f: &mut Fixed) {
    let p = Permutation::get(T_WIDE);
    let blocks = (s.end() - s.start) / Sponge::stride();
    f.one(fix::FULL, s.start);
    f.set(fix::RC[2], s.start, to_halo(&s.tag.field()));
    for block in 0..blocks {
        let mut row = s.start + block * Sponge::stride();
        for place in 0..ABSORB_ROWS {
            f.one(fix::ABSORB, row);
            for (side, rc) in [fix::RC[0], fix::RC[1]].into_iter().enumerate() {
                let i = block * (T_WIDE - 1) + 2 * place + side;
                if let Some(Element::Constant(x)) = s.elements.get(i) {
                    f.set(rc, row, *x);
                }
            }
            row += 1;
        }
        for round in &p.sparse {
            if round.full {
                f.one(fix::WIDE_FULL, row);
                for i in 0..4 {
                    f.set(fix::RC[i], row, round.constants[i]);
                    f.set(fix::RC[i], row + 1, round.constants[i + 5]);
                }
                f.set(fix::SCALE, row, round.constants[4]);
                row += 2;
            } else {
                f.one(fix::WIDE_PARTIAL, row);
                f.set(fix::RC[0], row, round.constants[0]);
                row += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::graph;
    use super::*;

    #[test]
    fn the_digits_network_takes_2_to_the_15_rows() {
        let g = super::super::tests::digits(360);
        let p = Plan::new(&g).unwrap();
        assert_eq!((p.k(), p.permutations(), Sponge::stride()), (15, 367, 83));
        assert_eq!(p.weight_bytes().len(), g.weight_bytes());
    }

    #[test]
    fn long_unit_rows_push_the_end_row_down() {
        let p = Plan::new(&graph(&[2, 40, 3], 10)).unwrap();
        assert!(p.end() > p.unit_row(10));
    }

    #[test]
    fn a_batch_beyond_the_largest_circuit_is_refused() {
        let g = graph(&[2, 1000, 3], 40_000);
        assert!(matches!(Plan::new(&g), Err(PlanError::Rows { .. })));
    }
}
