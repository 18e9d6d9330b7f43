//! The part of Protocol Buffers that dag-pb and UnixFS use, read strictly.
//!
//! A hash fixes the bytes, so a reader that took several spellings of one number would still be safe; it is strict so
//! that whatever is read here can be written again with the same name.

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("it ends in the middle of a field")]
    Truncated,
    #[error("a number is longer than it needs to be, or than 64 bits")]
    Number,
    #[error("field {0} is not known, or of another type")]
    Field(u64),
}

/// One field: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

/// Takes a varint of at most 64 bits in its shortest form.
pub fn take_varint(input: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0u64;
    for i in 0..10 {
        let (&byte, rest) = input.split_first().ok_or(WireError::Truncated)?;
        *input = rest;
        if i == 9 && byte > 1 {
            return Err(WireError::Number);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return if byte == 0 && i > 0 {
                Err(WireError::Number)
            } else {
                Ok(value)
            };
        }
    }
    Err(WireError::Number)
}

/// Takes the next field, `None` at the end.
pub fn take_field<'a>(input: &mut &'a [u8]) -> Result<Option<Field<'a>>, WireError> {
    if input.is_empty() {
        return Ok(None);
    }
    let key = take_varint(input)?;
    match key & 7 {
        0 => Ok(Some(Field::Number(key >> 3, take_varint(input)?))),
        2 => {
            let len = usize::try_from(take_varint(input)?).map_err(|_| WireError::Truncated)?;
            let (bytes, rest) = input.split_at_checked(len).ok_or(WireError::Truncated)?;
            *input = rest;
            Ok(Some(Field::Bytes(key >> 3, bytes)))
        }
        _ => Err(WireError::Field(key >> 3)),
    }
}

pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

pub fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = vec![];
            put_varint(&mut bytes, value);
            assert_eq!(take_varint(&mut &bytes[..]), Ok(value));
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), Err(WireError::Truncated));
        }
        for long in [
            &[0x80, 0][..],
            &[0xff, 0x80, 0],
            &[0xff; 11],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert_eq!(take_varint(&mut { long }), Err(WireError::Number), "{long:?}");
        }
    }

    #[test]
    fn fields_end_where_they_say() {
        let mut bytes = vec![];
        put_number(&mut bytes, 1, 300);
        put_bytes(&mut bytes, 2, b"abc");
        let mut input = &bytes[..];
        assert_eq!(take_field(&mut input), Ok(Some(Field::Number(1, 300))));
        assert_eq!(take_field(&mut input), Ok(Some(Field::Bytes(2, b"abc"))));
        assert_eq!(take_field(&mut input), Ok(None));
        assert_eq!(take_field(&mut &b"\x12\x04abc"[..]), Err(WireError::Truncated));
        assert_eq!(take_field(&mut &b"\x0d\0\0\0\0"[..]), Err(WireError::Field(1)));
    }
}
