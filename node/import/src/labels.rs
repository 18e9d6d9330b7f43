//! Labels: whatever names a class, and the numbers they become.

use crate::error::ImportError;
use crate::source::{idx, npy};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Largest labels file in text form, in bytes.
const MAX_TEXT: u64 = 256 << 20;

/// A label as a source gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    Number(u64),
    Text(String),
}

impl Label {
    /// A whole number in any spelling (`3`, `3.0`), otherwise the text itself.
    pub fn of_text(text: &str) -> Self {
        let text = text.trim();
        text.parse::<f64>()
            .ok()
            .and_then(Self::of_number)
            .unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// A whole number from 0 on.
    pub fn of_number(v: f64) -> Option<Self> {
        // Whole numbers up to 2^53 are exact.
        (v >= 0.0 && v.fract() == 0.0 && v < 9e15).then_some(Self::Number(v as u64))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Text(t) => t.fmt(f),
        }
    }
}

/// What a labels file says.
#[derive(Debug)]
pub enum Labels {
    /// One a sample, in the samples' order.
    InOrder(Vec<Label>),
    /// By file name, relative to the folder.
    ByName(BTreeMap<String, Label>),
}

/// Reads a labels file: `.npy`, IDX, a JSON list or object, CSV of name and label, or one label a line.
///
/// # Errors
/// Names the line or entry at fault.
pub fn read(path: &Path) -> Result<Labels, ImportError> {
    let place = path.display();
    if npy::is(path) {
        return npy::labels(path).map(Labels::InOrder);
    }
    if idx::is(path) {
        return idx::labels(path).map(Labels::InOrder);
    }
    let len = fs::metadata(path).map_err(ImportError::io(path))?.len();
    if len > MAX_TEXT {
        return Err(ImportError::Limit {
            place: place.to_string(),
            what: "the size of the labels file",
            got: len,
            limit: MAX_TEXT,
        });
    }
    let text = fs::read_to_string(path).map_err(ImportError::io(path))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim_start().starts_with(['[', '{']) {
        return json(text, path);
    }
    lines(text, path)
}

fn json(text: &str, path: &Path) -> Result<Labels, ImportError> {
    use serde_json::Value;
    let bad = |what: String| ImportError::refused(path.display(), what, "a label is a whole number or a text");
    let label = |at: &str, v: &Value| match v {
        Value::Number(n) => n
            .as_f64()
            .and_then(Label::of_number)
            .ok_or_else(|| bad(format!("{at}: {n} is no label"))),
        Value::String(s) => Ok(Label::of_text(s)),
        other => Err(bad(format!(
            "{at}: {} is no label",
            other.to_string().chars().take(40).collect::<String>()
        ))),
    };
    match serde_json::from_str(text).map_err(|e| ImportError::format(path.display(), e))? {
        Value::Array(list) => {
            let list = list
                .iter()
                .enumerate()
                .map(|(i, v)| label(&format!("entry {}", i + 1), v));
            Ok(Labels::InOrder(list.collect::<Result<_, _>>()?))
        }
        Value::Object(map) => {
            let map = map.iter().map(|(k, v)| Ok((k.clone(), label(k, v)?)));
            Ok(Labels::ByName(map.collect::<Result<_, ImportError>>()?))
        }
        _ => Err(bad("it is neither a list nor an object".into())),
    }
}

fn lines(text: &str, path: &Path) -> Result<Labels, ImportError> {
    let place = |line: usize| format!("{}, line {line}", path.display());
    let rows: Vec<&str> = text.trim_end().lines().collect();
    let by_name = rows.iter().any(|r| r.contains([',', '\t']));
    if !by_name {
        let empty = rows.iter().position(|r| r.trim().is_empty());
        return match empty {
            Some(i) => Err(ImportError::format(place(i + 1), "there is no label on this line")),
            None => Ok(Labels::InOrder(rows.iter().map(|r| Label::of_text(r)).collect())),
        };
    }
    let mut map = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let Some((name, label)) = row.split_once([',', '\t']) else {
            return Err(ImportError::format(
                place(i + 1),
                "a file name, a comma and a label are expected",
            ));
        };
        let (name, label) = (name.trim().trim_matches('"'), label.trim().trim_matches('"'));
        if label.contains(',') || label.is_empty() {
            return Err(ImportError::format(
                place(i + 1),
                "a file name, a comma and a label are expected",
            ));
        }
        // A header names no file: files have an extension.
        if i == 0 && !name.contains('.') {
            continue;
        }
        if map.insert(name.to_owned(), Label::of_text(label)).is_some() {
            return Err(ImportError::format(
                place(i + 1),
                format!("{name:?} was labelled before"),
            ));
        }
    }
    Ok(Labels::ByName(map))
}

/// Classes by number, and the names of numbers that stand for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Class number of each distinct label, in the order given to [`Classes::of`].
    pub numbers: Vec<u16>,
    /// How many classes there are.
    pub count: u16,
    /// Label of each class where labels were not already the numbers.
    pub names: Option<Vec<String>>,
}

impl Classes {
    /// Numbers the distinct labels, each given with the place it first stood at.
    ///
    /// Labels that are all whole numbers below 256 are the classes; others are sorted, numbers by value and texts
    /// naturally (`cat2` before `cat10`), and numbered from 0.
    ///
    /// # Errors
    /// Names the first label at or above the class count.
    pub fn of(labels: &[(Label, String)], count: Option<u16>) -> Result<Self, ImportError> {
        let direct: Option<Vec<u16>> = labels
            .iter()
            .map(|(l, _)| match l {
                Label::Number(n) => u16::try_from(*n).ok().filter(|&n| n < 256),
                Label::Text(_) => None,
            })
            .collect();
        let (numbers, names) = match direct {
            Some(numbers) => (numbers, None),
            None => {
                let mut order: Vec<usize> = (0..labels.len()).collect();
                order.sort_by(|&a, &b| by_nature(&labels[a].0, &labels[b].0));
                let mut numbers = vec![0; labels.len()];
                for (class, &i) in order.iter().enumerate() {
                    // The table lets no more than 256 distinct labels in.
                    numbers[i] = class as u16;
                }
                let names = order.iter().map(|&i| labels[i].0.to_string()).collect();
                (numbers, Some(names))
            }
        };
        let largest = numbers.iter().copied().max().unwrap_or(0);
        let count = count.unwrap_or((largest + 1).max(2));
        match numbers.iter().position(|&n| n >= count) {
            Some(i) => Err(ImportError::Label {
                place: labels[i].1.clone(),
                label: labels[i].0.to_string(),
                classes: count,
            }),
            None => Ok(Self { numbers, count, names }),
        }
    }
}

fn by_nature(a: &Label, b: &Label) -> Ordering {
    match (a, b) {
        (Label::Number(a), Label::Number(b)) => a.cmp(b),
        _ => natural(&a.to_string(), &b.to_string()),
    }
}

/// Orders names as people count: runs of digits by value, everything else by bytes.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        match (x.first(), y.first()) {
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let (m, n) = (digits(&mut x), digits(&mut y));
                // Without leading zeros the longer run is the larger number.
                match m.len().cmp(&n.len()).then_with(|| m.cmp(n)) {
                    Ordering::Equal => {}
                    other => return other,
                }
            }
            (Some(p), Some(q)) if p == q => (x, y) = (&x[1..], &y[1..]),
            // Equal numbers with different zeros: the bytes decide, so that the order is total.
            (None, None) => return a.cmp(b),
            (p, q) => return p.cmp(&q),
        }
    }
}

fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (run, rest) = text.split_at(end);
    *text = rest;
    let zeros = run.iter().take_while(|&&b| b == b'0').count();
    &run[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = [
            "10.pgm",
            "9.pgm",
            "a10b",
            "a9b",
            "a",
            "",
            "007",
            "7",
            "99999999999999999999999",
            "é",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "",
                "007",
                "7",
                "9.pgm",
                "10.pgm",
                "99999999999999999999999",
                "a",
                "a9b",
                "a10b",
                "é"
            ]
        );
    }

    fn classes(labels: &[&str], count: Option<u16>) -> Result<Classes, ImportError> {
        let labels: Vec<_> = labels.iter().map(|l| (Label::of_text(l), format!("at {l}"))).collect();
        Classes::of(&labels, count)
    }

    #[test]
    fn numbers_are_classes_and_texts_are_sorted_into_them() {
        let c = classes(&["3", "0", "1.0"], None).unwrap();
        assert_eq!((c.numbers, c.count, c.names), (vec![3, 0, 1], 4, None));
        let c = classes(&["dog", "cat10", "cat9"], None).unwrap();
        assert_eq!(c.numbers, [2, 1, 0]);
        assert_eq!(c.names.unwrap(), ["cat9", "cat10", "dog"]);
        let c = classes(&["4000", "900"], None).unwrap();
        assert_eq!(
            (c.numbers, c.names.unwrap()),
            (vec![1, 0], vec!["900".into(), "4000".into()])
        );
        assert_eq!(classes(&["0"], None).unwrap().count, 2);
        let e = classes(&["0", "4"], Some(4)).unwrap_err().to_string();
        assert_eq!(e, "at 4: label \"4\" is not one of the 4 classes, 0 to 3");
    }

    #[test]
    fn labels_are_read_from_every_form() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            super::read(&path).map_err(|e| e.to_string())
        };
        let n = |n| Label::Number(n);
        for text in ["[1, 2.0, \"x\"]", "1\n2\nx\n", "\u{feff}1\r\n2\r\nx"] {
            match read(text).unwrap() {
                Labels::InOrder(l) => assert_eq!(l, [n(1), n(2), Label::Text("x".into())], "{text:?}"),
                other => panic!("{other:?}"),
            }
        }
        for text in [
            "{\"a.png\": 1, \"b.png\": 2}",
            "file,label\na.png,1\nb.png,2\n",
            "a.png\t1\n\"b.png\"\t2",
        ] {
            match read(text).unwrap() {
                Labels::ByName(m) => assert_eq!(
                    m.into_iter().collect::<Vec<_>>(),
                    [("a.png".into(), n(1)), ("b.png".into(), n(2))]
                ),
                other => panic!("{other:?}"),
            }
        }
        for (text, says) in [
            ("[1, -2]", "entry 2: -2 is no label"),
            ("[1, [2]]", "entry 2: [2] is no label"),
            ("[1", "EOF"),
            ("1\n\n2", "line 2"),
            ("a.png,1\na.png,2", "line 2: \"a.png\" was labelled before"),
            ("a.png,1\nb.png", "line 2"),
            ("a.png,1,2", "line 1"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.contains(says), "{text:?}: {e}");
        }
    }
}
