//! Attributes of an operator in the text form: `key=value`, in a fixed order, each exactly once.

use std::fmt::Write as _;
use std::str::FromStr;

/// Spells an operator's attributes from one list of its fields, in their order: `read`, and `spell`
/// for its rule to write.
macro_rules! spelt {
    (@read $a:ident $field:ident number) => { $a.number(stringify!($field))? };
    (@read $a:ident $field:ident numbers) => { $a.numbers(stringify!($field))? };
    (@read $a:ident $field:ident pair) => { $a.numbers2(stringify!($field))? };
    (@write $a:ident $field:ident $value:expr, number) => { $a.put(stringify!($field), $value) };
    (@write $a:ident $field:ident $value:expr, numbers) => { $a.list(stringify!($field), &$value) };
    (@write $a:ident $field:ident $value:expr, pair) => { $a.pair(stringify!($field), $value) };
    ($op:ident { $($field:ident: $kind:ident),* }) => {
        impl $op {
            pub(crate) fn read(a: &mut $crate::ops::Attributes) -> Result<Self, String> {
                Ok(Self { $($field: $crate::ops::attributes::spelt!(@read a $field $kind)),* })
            }

            fn spell(&self, a: &mut $crate::ops::Attributes) {
                $($crate::ops::attributes::spelt!(@write a $field self.$field, $kind);)*
            }
        }
    };
}
pub(crate) use spelt;

/// Attributes being written, or being read.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pairs: Vec<(String, String)>,
    at: usize,
}

impl Attributes {
    /// Splits `key=value` words.
    pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let pairs = words
            .map(|w| {
                let (k, v) = w.split_once('=').ok_or_else(|| format!("{w:?} is no key=value"))?;
                Ok((k.to_owned(), v.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { pairs, at: 0 })
    }

    /// The words, separated by blanks, with one in front.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for (k, v) in &self.pairs {
            // Writing to a String cannot fail.
            let _ = write!(out, " {k}={v}");
        }
        out
    }

    pub(crate) fn put(&mut self, key: &str, value: impl ToString) {
        self.pairs.push((key.to_owned(), value.to_string()));
    }

    pub(crate) fn list<T: ToString>(&mut self, key: &str, values: &[T]) {
        self.put(key, join(values, ","));
    }

    /// `axb`.
    pub(crate) fn pair(&mut self, key: &str, [a, b]: [usize; 2]) {
        self.put(key, format!("{a}x{b}"));
    }

    /// The next attribute, which must be `key`.
    pub(crate) fn take(&mut self, key: &str) -> Result<&str, String> {
        let found = self.pairs.get(self.at).filter(|(k, _)| k == key);
        self.at += 1;
        match found {
            Some((_, v)) => Ok(v),
            None => Err(format!("attribute {key} is expected as number {}", self.at)),
        }
    }

    pub(crate) fn number<T: FromStr>(&mut self, key: &str) -> Result<T, String> {
        let v = self.take(key)?;
        v.parse().map_err(|_| format!("{key}={v} is no number that fits"))
    }

    pub(crate) fn numbers<T: FromStr>(&mut self, key: &str) -> Result<Vec<T>, String> {
        let v = self.take(key)?;
        let each = |w: &str| w.parse().map_err(|_| format!("{key}={v} is no list of numbers"));
        v.split(',').map(each).collect()
    }

    pub(crate) fn numbers2(&mut self, key: &str) -> Result<[usize; 2], String> {
        let v = self.take(key)?;
        let (a, b) = v.split_once('x').ok_or_else(|| format!("{key}={v} is no AxB"))?;
        match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => Ok([a, b]),
            _ => Err(format!("{key}={v} is no AxB")),
        }
    }

    /// `i8` or `i16`.
    pub(crate) fn weight_bits(&mut self) -> Result<u8, String> {
        match self.take("weights")? {
            "i8" => Ok(8),
            "i16" => Ok(16),
            v => Err(format!("weights={v}; i8 and i16 are known")),
        }
    }

    /// Refuses what was not read.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.pairs.get(self.at) {
            Some((k, _)) => Err(format!("attribute {k} is not known here")),
            None => Ok(()),
        }
    }
}

pub(crate) fn join<T: ToString>(values: &[T], by: &str) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(by)
}
