//! Bitswap's messages, written by hand so that building needs no protobuf compiler.
//!
//! A few bytes on the wire can stand for a long list, so [`decode`] counts the lists before it builds them.

use bytes::Bytes;
use prost::Message as _;

/// Largest message, in bytes, length prefix not counted.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Most wants in one message.
pub const MAX_ENTRIES: usize = 4096;
/// Most blocks, and most presences, in one message.
pub const MAX_ITEMS: usize = 4096;

/// One message; every part is optional.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    #[prost(message, optional, tag = "1")]
    pub wantlist: Option<Wantlist>,
    #[prost(message, repeated, tag = "3")]
    pub payload: Vec<Block>,
    #[prost(message, repeated, tag = "4")]
    pub presences: Vec<Presence>,
    #[prost(int32, tag = "5")]
    pub pending_bytes: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Wantlist {
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    /// These entries replace all earlier ones.
    #[prost(bool, tag = "2")]
    pub full: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The wanted block's CID in binary.
    #[prost(bytes = "vec", tag = "1")]
    pub block: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub priority: i32,
    #[prost(bool, tag = "3")]
    pub cancel: bool,
    #[prost(enumeration = "WantType", tag = "4")]
    pub want_type: i32,
    #[prost(bool, tag = "5")]
    pub send_dont_have: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum WantType {
    Block = 0,
    Have = 1,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Block {
    /// The CID without its digest: version, codec, hash function, digest length.
    #[prost(bytes = "vec", tag = "1")]
    pub prefix: Vec<u8>,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Presence {
    #[prost(bytes = "vec", tag = "1")]
    pub cid: Vec<u8>,
    #[prost(enumeration = "PresenceType", tag = "2")]
    pub kind: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum PresenceType {
    Have = 0,
    DontHave = 1,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{what}: {count} in one message, at most {limit}")]
    TooMany {
        what: &'static str,
        count: usize,
        limit: usize,
    },
    #[error("not a bitswap message: {0}")]
    Malformed(String),
}

/// Decodes a message after counting its lists.
///
/// # Errors
/// [`DecodeError`]; memory stays within a small multiple of the message's own length. Blocks are views of
/// `bytes`, not copies.
pub fn decode(bytes: Bytes) -> Result<Message, DecodeError> {
    let (mut wants, mut blocks, mut presences) = (0, 0, 0);
    each_field(&bytes, |field, content| {
        match field {
            1 => each_field(content, |inner, _| {
                wants += usize::from(inner == 1);
                Ok(())
            })?,
            3 => blocks += 1,
            4 => presences += 1,
            _ => {}
        }
        Ok(())
    })?;
    for (what, count, limit) in [
        ("wants", wants, MAX_ENTRIES),
        ("blocks", blocks, MAX_ITEMS),
        ("presences", presences, MAX_ITEMS),
    ] {
        if count > limit {
            return Err(DecodeError::TooMany { what, count, limit });
        }
    }
    Message::decode(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// Walks the fields of a protobuf message; content is empty for fields that are not length-delimited.
fn each_field(
    mut rest: &[u8],
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let malformed = || DecodeError::Malformed("fields do not parse".into());
    while !rest.is_empty() {
        let (key, after) = varint(rest).ok_or_else(malformed)?;
        let (content, after) = match key & 7 {
            0 => (&[][..], varint(after).ok_or_else(malformed)?.1),
            1 => (&[][..], after.get(8..).ok_or_else(malformed)?),
            2 => {
                let (length, after) = varint(after).ok_or_else(malformed)?;
                let length = usize::try_from(length).map_err(|_| malformed())?;
                after.split_at_checked(length).ok_or_else(malformed)?
            }
            5 => (&[][..], after.get(4..).ok_or_else(malformed)?),
            _ => return Err(malformed()),
        };
        visit(key >> 3, content)?;
        rest = after;
    }
    Ok(())
}

/// Reads a protobuf varint, which unlike a multiformats one may be padded.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(n: usize) -> Message {
        let entry = Entry {
            block: vec![1; 36],
            priority: 1,
            cancel: false,
            want_type: WantType::Block as i32,
            send_dont_have: true,
        };
        Message {
            wantlist: Some(Wantlist {
                entries: vec![entry; n],
                full: true,
            }),
            ..Default::default()
        }
    }

    #[test]
    fn messages_survive_the_wire() {
        let message = Message {
            payload: vec![Block {
                prefix: vec![1, 0x55, 0x12, 32],
                data: vec![7; 100].into(),
            }],
            presences: vec![Presence {
                cid: vec![1; 36],
                kind: PresenceType::DontHave as i32,
            }],
            pending_bytes: -1,
            ..want(3)
        };
        assert_eq!(decode(message.encode_to_vec().into()).unwrap(), message);
        assert_eq!(decode(Bytes::new()).unwrap(), Message::default());
    }

    #[test]
    fn lists_are_counted_before_they_are_built() {
        assert!(decode(want(MAX_ENTRIES).encode_to_vec().into()).is_ok());
        let error = decode(want(MAX_ENTRIES + 1).encode_to_vec().into()).unwrap_err();
        assert_eq!(
            error,
            DecodeError::TooMany {
                what: "wants",
                count: MAX_ENTRIES + 1,
                limit: MAX_ENTRIES
            }
        );
        // Two bytes an entry: 2 Mi entries in 4 MiB, split over wantlists that protobuf would merge.
        let split = [0x0a, 0x02, 0x0a, 0x00].repeat(MAX_ENTRIES + 1);
        assert!(matches!(
            decode(split.into()),
            Err(DecodeError::TooMany { what: "wants", .. })
        ));
        let blocks = [0x1a, 0x00].repeat(MAX_ITEMS + 1);
        assert!(matches!(
            decode(blocks.into()),
            Err(DecodeError::TooMany { what: "blocks", .. })
        ));
        let presences = [0x22, 0x00].repeat(MAX_ITEMS + 1);
        assert!(matches!(
            decode(presences.into()),
            Err(DecodeError::TooMany { what: "presences", .. })
        ));
    }

    #[test]
    fn no_prefix_of_a_message_and_no_noise_panics() {
        let good = want(3).encode_to_vec();
        for cut in 0..good.len() {
            let _ = decode(Bytes::copy_from_slice(&good[..cut]));
        }
        let mut state = 1u32;
        for _ in 0..2000 {
            let noise: Vec<u8> = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let _ = decode(noise.into());
        }
        assert!(
            decode(Bytes::from_static(&[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
            ]))
            .is_err(),
            "length 2^64 - 1"
        );
        assert!(decode(Bytes::from_static(&[0xff; 11])).is_err());
    }
}
