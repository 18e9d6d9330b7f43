//! Attributes of a node, by name and with their defaults.

use crate::model::proto::{Attribute, Node};

pub(super) fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n Attribute> {
    node.attribute.iter().find(|a| a.name == name)
}

pub(super) fn int(node: &Node, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}

pub(super) fn float(node: &Node, name: &str, default: f32) -> Result<f32, String> {
    let v = attribute(node, name).map_or(default, |a| a.f);
    if v.is_finite() {
        Ok(v)
    } else {
        Err(format!("attribute {name} is not a finite number"))
    }
}

pub(super) fn ints<'n>(node: &'n Node, name: &str) -> Option<&'n [i64]> {
    attribute(node, name).map(|a| a.ints.as_slice())
}

pub(super) fn floats<'n>(node: &'n Node, name: &str) -> Result<&'n [f32], String> {
    let v = attribute(node, name).map_or(&[][..], |a| a.floats.as_slice());
    if v.iter().all(|x| x.is_finite()) {
        Ok(v)
    } else {
        Err(format!("attribute {name} holds NaN or infinity"))
    }
}

pub(super) fn text(node: &Node, name: &str, default: &str) -> Result<String, String> {
    match attribute(node, name) {
        None => Ok(default.into()),
        Some(a) => String::from_utf8(a.s.clone()).map_err(|_| format!("attribute {name} is no text")),
    }
}

/// Integers of an attribute as sizes.
pub(super) fn sizes(values: &[i64], what: &str) -> Result<Vec<usize>, String> {
    values
        .iter()
        .map(|&v| usize::try_from(v).map_err(|_| format!("{what} {values:?} has a negative number")))
        .collect()
}
