//! One image: PNG, JPEG, or one of the PNM family, as bytes channel by channel.
//!
//! Width and height are read and judged before a pixel is decoded: an image larger than a record can be is refused for
//! the price of its header.

use crate::error::ImportError;
use png::{BitDepth, ColorType, Transformations};
use std::io::Cursor;
use zkaggle_graph::graph::MAX_SHARD_BYTES;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Memory the PNG decoder may take besides the image, in bytes.
const PNG_MEMORY: usize = 4 << 20;

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub width: u32,
    pub height: u32,
    /// 1 for grey, 3 for red, green, blue.
    pub channels: u32,
    /// All of the first channel row by row, then all of the next.
    pub bytes: Vec<u8>,
}

impl Image {
    /// `[height, width]` for grey, `[channels, height, width]` for colour.
    pub fn shape(&self) -> Vec<u32> {
        match self.channels {
            1 => vec![self.height, self.width],
            c => vec![c, self.height, self.width],
        }
    }
}

/// Says whether a file of this name is read as an image.
pub fn is_image_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    matches!(
        extension.as_deref(),
        Some("png" | "jpg" | "jpeg" | "pgm" | "ppm" | "pnm")
    )
}

/// Decodes an image of any of the formats, told apart by their first bytes.
///
/// # Errors
/// For another format, a damaged file, more than 8 bits a channel, an alpha channel, or an image above the size of a
/// record.
pub fn decode(bytes: &[u8], place: &str) -> Result<Image, ImportError> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes, place),
        [0xff, 0xd8, ..] => jpeg(bytes, place),
        [b'P', b'2' | b'3' | b'5' | b'6', ..] => pnm(bytes, place),
        _ => Err(ImportError::refused(
            place,
            "it is no PNG, JPEG, PGM or PPM file",
            "convert it, or move it out of the folder",
        )),
    }
}

/// Refuses dimensions that no record can have.
fn check_size(place: &str, width: u64, height: u64, channels: u64) -> Result<(), ImportError> {
    let pixels = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
    match pixels {
        Some(n) if n > 0 && n < MAX_SHARD_BYTES as u64 => Ok(()),
        _ => Err(ImportError::refused(
            place,
            format!("an image of {width} x {height} pixels with {channels} channel(s) does not fit a record"),
            "scale the images to what the model reads first",
        )),
    }
}

/// Turns interleaved pixels into whole channels.
fn planar(width: u32, height: u32, channels: u32, bytes: Vec<u8>) -> Image {
    let bytes = match channels {
        1 => bytes,
        c => (0..c as usize)
            .flat_map(|k| bytes.iter().skip(k).step_by(c as usize).copied())
            .collect(),
    };
    Image {
        width,
        height,
        channels,
        bytes,
    }
}

fn png(bytes: &[u8], place: &str) -> Result<Image, ImportError> {
    let bad = |e: png::DecodingError| ImportError::format(place, format!("damaged PNG: {e}"));
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: PNG_MEMORY });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(bad)?;
    let (width, height, depth) = (info.width, info.height, info.bit_depth);
    check_size(place, width.into(), height.into(), info.color_type.samples() as u64)?;
    if depth == BitDepth::Sixteen {
        return Err(ImportError::refused(
            place,
            "16 bits a channel",
            "convert the images to 8 bits a channel",
        ));
    }
    let mut reader = decoder.read_info().map_err(bad)?;
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale => 1,
        ColorType::Rgb => 3,
        _ => {
            return Err(ImportError::refused(
                place,
                "the image has an alpha channel",
                "flatten the images onto a background first",
            ));
        }
    };
    check_size(place, width.into(), height.into(), channels.into())?;
    let size = reader.output_buffer_size().unwrap_or(usize::MAX);
    if size as u64 != u64::from(width) * u64::from(height) * u64::from(channels) {
        return Err(ImportError::format(place, "damaged PNG: its header contradicts itself"));
    }
    let mut out = vec![0; size];
    reader.next_frame(&mut out).map_err(bad)?;
    // Up to the end chunk, whose absence shows a cut file.
    reader.finish().map_err(bad)?;
    Ok(planar(width, height, channels, out))
}

fn jpeg(bytes: &[u8], place: &str) -> Result<Image, ImportError> {
    let bad = |e: String| ImportError::format(place, format!("damaged JPEG: {e}"));
    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_max_scans(64);
    let mut head = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    head.decode_headers().map_err(|e| bad(e.to_string()))?;
    let info = head.info().ok_or_else(|| bad("it has no frame".into()))?;
    let (space, channels) = match head.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => (ColorSpace::RGB, 3),
        other => {
            return Err(ImportError::refused(
                place,
                format!("a JPEG in {other:?}"),
                "convert the images to grey or RGB first",
            ));
        }
    };
    check_size(place, info.width.into(), info.height.into(), channels.into())?;
    // A decoder may fill what is missing of a cut file with grey, so the end marker has to follow the last scan.
    let last = |marker: u8| bytes.windows(2).rposition(|w| w == [0xff, marker]);
    if last(0xd9) <= last(0xda) {
        return Err(bad("it ends before its end marker".into()));
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options.jpeg_set_out_colorspace(space));
    let out = decoder.decode().map_err(|e| bad(e.to_string()))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    if out.len() as u64 != u64::from(width) * u64::from(height) * u64::from(channels) {
        return Err(bad("its header contradicts itself".into()));
    }
    Ok(planar(width, height, channels, out))
}

/// Reads `P2`, `P3` (text), `P5` and `P6` (bytes) with a largest value of 255.
fn pnm(bytes: &[u8], place: &str) -> Result<Image, ImportError> {
    let bad = |e: &str| ImportError::format(place, format!("damaged PNM: {e}"));
    let channels = if matches!(bytes[1], b'2' | b'5') { 1 } else { 3 };
    let text = matches!(bytes[1], b'2' | b'3');
    let mut rest = &bytes[2..];
    let mut head = [0u32; 3];
    for value in &mut head {
        *value = pnm_number(&mut rest).ok_or_else(|| bad("width, height and largest value are expected"))?;
    }
    let [width, height, max] = head;
    check_size(place, width.into(), height.into(), channels.into())?;
    if max != 255 {
        return Err(ImportError::refused(
            place,
            format!("its largest value is {max}"),
            "only 255 is read, 8 bits a channel: convert the images",
        ));
    }
    let size = (width * height * channels) as usize;
    let out = if text {
        let values = (0..size).map(|_| pnm_number(&mut rest).and_then(|v| u8::try_from(v).ok()));
        values
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| bad("a value is missing or above 255"))?
    } else {
        // Exactly one white space stands between header and pixels.
        let pixels = rest.get(1..).unwrap_or_default();
        if pixels.len() != size {
            return Err(bad(&format!(
                "{} bytes of pixels, its header asks for {size}",
                pixels.len()
            )));
        }
        pixels.to_vec()
    };
    Ok(planar(width, height, channels, out))
}

/// Takes a number after white space and comments; what follows it stays.
fn pnm_number(rest: &mut &[u8]) -> Option<u32> {
    loop {
        match rest.first()? {
            b'#' => {
                let end = rest.iter().position(|&b| b == b'\n')?;
                *rest = &rest[end..];
            }
            b if b.is_ascii_whitespace() => *rest = &rest[1..],
            _ => break,
        }
    }
    let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    *rest = &rest[end..];
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(bytes: &[u8]) -> String {
        decode(bytes, "x").unwrap_err().to_string()
    }

    #[test]
    fn pnm_files_are_read_in_both_spellings() {
        let grey = decode(b"P5\n2 1\n255\n\x07\xff", "x").unwrap();
        assert_eq!((grey.shape(), &grey.bytes[..]), (vec![1, 2], &[7, 255][..]));
        assert_eq!(decode(b"P2 # a comment\n2 1 255 7\n255\n", "x").unwrap(), grey);
        let rgb = decode(b"P6 2 1 255 \x01\x02\x03\x04\x05\x06", "x").unwrap();
        assert_eq!((rgb.shape(), &rgb.bytes[..]), (vec![3, 1, 2], &[1, 4, 2, 5, 3, 6][..]));
        assert_eq!(decode(b"P3 2 1 255 1 2 3 4 5 6", "x").unwrap(), rgb);
    }

    #[test]
    fn damaged_and_oversized_pnm_files_are_refused() {
        for (bytes, part) in [
            (&b"P5\n2 1\n255\n\x07"[..], "1 bytes of pixels, its header asks for 2"),
            (b"P5\n2 1\n255\n\x07\x07\x07", "3 bytes"),
            (b"P5\n2 1\n65535\n", "largest value is 65535"),
            (b"P5\n2", "expected"),
            (b"P5\n0 7 255\n", "0 x 7"),
            (b"P5 4294967295 4294967295 255\n", "does not fit a record"),
            (b"P5 99999999999 1 255\n", "expected"),
            (b"P2 2 1 255 7 256", "above 255"),
            (b"P1 1 1 0", "no PNG"),
            (b"", "no PNG"),
        ] {
            assert!(says(bytes).contains(part), "{bytes:?}: {}", says(bytes));
        }
    }
}
