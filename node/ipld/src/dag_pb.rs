//! dag-pb: a node is a list of links, then bytes.
//!
//! # Source
//! IPLD codec specification "DAG-PB": links (field 2) are written before data (field 1); within a link hash, name, size.

use crate::wire::{Field, WireError, put_bytes, put_number, take_field};
use cid::Cid;

/// One link: the child's name, what the parent calls it, and the bytes of the whole tree below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub cid: Cid,
    pub name: String,
    /// What the writer says; no reader may rely on it.
    pub tsize: u64,
}

/// A node of links and data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub links: Vec<Link>,
    pub data: Vec<u8>,
}

/// Why bytes are no dag-pb node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DagPbError {
    #[error("no dag-pb node: {0}")]
    Wire(#[from] WireError),
    #[error("no dag-pb node: {0}")]
    Form(&'static str),
    #[error("dag-pb link {link}: {reason}")]
    Link { link: usize, reason: &'static str },
}

impl Node {
    /// Writes the node as every IPFS implementation does.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len() + 64 * self.links.len() + 16);
        let mut inner = Vec::with_capacity(64);
        for link in &self.links {
            inner.clear();
            put_bytes(&mut inner, 1, &link.cid.to_bytes());
            put_bytes(&mut inner, 2, link.name.as_bytes());
            put_number(&mut inner, 3, link.tsize);
            put_bytes(&mut out, 2, &inner);
        }
        put_bytes(&mut out, 1, &self.data);
        out
    }

    /// Reads a node; data may stand before or after the links, as the specification allows.
    ///
    /// # Errors
    /// For anything else: unknown or repeated fields, links split by data, a link without a hash.
    pub fn decode(bytes: &[u8]) -> Result<Self, DagPbError> {
        let (mut links, mut data) = (vec![], None);
        let mut links_over = false;
        let mut input = bytes;
        while let Some(field) = take_field(&mut input)? {
            match field {
                Field::Bytes(2, _) if links_over => {
                    return Err(DagPbError::Form("links stand on both sides of the data"));
                }
                Field::Bytes(2, link) => links.push(decode_link(link, links.len())?),
                Field::Bytes(1, _) if data.is_some() => return Err(DagPbError::Form("it has two data fields")),
                Field::Bytes(1, d) => {
                    data = Some(d.to_vec());
                    links_over = !links.is_empty();
                }
                Field::Bytes(n, _) | Field::Number(n, _) => return Err(WireError::Field(n).into()),
            }
        }
        Ok(Self {
            links,
            data: data.unwrap_or_default(),
        })
    }
}

fn decode_link(bytes: &[u8], link: usize) -> Result<Link, DagPbError> {
    let bad = |reason| DagPbError::Link { link, reason };
    let (mut cid, mut name, mut tsize) = (None, None, None);
    let mut input = bytes;
    while let Some(field) = take_field(&mut input)? {
        match field {
            Field::Bytes(1, hash) if cid.is_none() && name.is_none() && tsize.is_none() => {
                cid = Some(Cid::try_from(hash).map_err(|_| bad("its hash is no CID"))?);
            }
            Field::Bytes(2, text) if name.is_none() && tsize.is_none() => {
                name = Some(
                    std::str::from_utf8(text)
                        .map_err(|_| bad("its name is no UTF-8"))?
                        .to_owned(),
                );
            }
            Field::Number(3, n) if tsize.is_none() => tsize = Some(n),
            _ => return Err(bad("a field is unknown, repeated or out of order")),
        }
    }
    Ok(Link {
        cid: cid.ok_or_else(|| bad("it has no hash"))?,
        name: name.unwrap_or_default(),
        tsize: tsize.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::raw_cid;

    fn sample() -> Node {
        let link = |name: &str, tsize| Link {
            cid: raw_cid(name.as_bytes()),
            name: name.into(),
            tsize,
        };
        Node {
            links: vec![link("", 1), link("b", 300)],
            data: vec![8, 1],
        }
    }

    #[test]
    fn a_node_is_read_as_it_was_written() {
        let node = sample();
        let bytes = node.encode();
        assert_eq!(Node::decode(&bytes), Ok(node));
        for end in 1..bytes.len() {
            // Whole links form a node of their own; a cut inside a field never does.
            if let Ok(part) = Node::decode(&bytes[..end]) {
                assert!(part.data.is_empty() && part.links.len() <= 2);
            }
        }
    }

    #[test]
    fn odd_spellings_are_refused() {
        let bytes = sample().encode();
        let first = 2 + bytes[1] as usize;
        let (link, data) = (&bytes[..first], b"\x0a\x02\x08\x01");
        let join = |parts: &[&[u8]]| parts.concat();
        assert!(Node::decode(&join(&[data, link])).is_ok());
        for (bad, says) in [
            (join(&[link, data, link]), "both sides"),
            (join(&[data, data]), "two data"),
            (join(&[data, b"\x1a\0"]), "field 3"),
            (join(&[b"\x12\0"]), "no hash"),
            (join(&[b"\x12\x04\x0a\x02\x01\x55"]), "no CID"),
            (join(&[b"\x12\x06\x12\x01\xff\x18\x01\x18"]), "UTF-8"),
            (join(&[b"\x12\x05\x12\x01a\x12\x00"]), "repeated"),
            (join(&[b"\x12\xff"]), "ends in the middle"),
        ] {
            let e = Node::decode(&bad).unwrap_err().to_string();
            assert!(e.contains(says), "{bad:?}: {e}");
        }
    }
}
