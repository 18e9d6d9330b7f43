//! Quantities with their unit: read with a suffix, printed with the largest one that loses nothing.
//!
//! A bare number is refused: "30" of something is how people lose money.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a quantity does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    #[error("{text:?} does not begin with a number")]
    Number { text: String },
    #[error("{text:?} has no unit; write one of {units}")]
    NoUnit { text: String, units: String },
    #[error("{unit:?} is no unit here; write one of {units}")]
    UnknownUnit { unit: String, units: String },
    #[error("{text:?} is not a whole number of {smallest}")]
    Fraction { text: String, smallest: &'static str },
    #[error("{text:?} is too large")]
    TooLarge { text: String },
}

/// Suffixes with their size in the smallest unit, largest first; the first name of a size is the one printed.
type Table = &'static [(&'static str, u128)];

const SIZES: Table = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];
const TIMES: Table = &[
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
    ("days", 86_400),
    ("hours", 3_600),
    ("min", 60),
    ("sec", 1),
];
const MONEY: Table = &[
    ("ether", 1_000_000_000_000_000_000),
    ("gwei", 1_000_000_000),
    ("wei", 1),
    ("eth", 1_000_000_000_000_000_000),
];

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($number:ty), $table:expr, $smallest:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $number);

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                let number = parse(text, $table, $smallest)?;
                number.try_into().map(Self).map_err(|_| UnitError::TooLarge { text: text.into() })
            }
        }

        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

quantity!(
    /// A size in bytes: `"512 MiB"`. Suffixes B, KiB, MiB, GiB, TiB, and kB, MB, GB, TB for powers of ten.
    ByteSize(u64),
    SIZES,
    "bytes"
);
quantity!(
    /// A duration in whole seconds: `"10 m"`. Suffixes s, m, h, d, and sec, min, hours, days.
    Seconds(u64),
    TIMES,
    "seconds"
);
quantity!(
    /// An amount in wei: `"0.1 ether"`. Suffixes wei, gwei, ether or eth.
    Wei(u128),
    MONEY,
    "wei"
);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        whole(f, u128::from(self.0), SIZES)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        whole(f, u128::from(self.0), TIMES)
    }
}

impl fmt::Display for Wei {
    /// In ether from a ten-thousandth, in gwei from a ten-thousandth, else in wei; always exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, name) = match self.0 {
            0 => return f.write_str("0 ether"),
            n if n >= 100_000_000_000_000 => (18, "ether"),
            n if n >= 100_000 => (9, "gwei"),
            _ => (0, "wei"),
        };
        let scale = 10u128.pow(digits);
        let (integer, rest) = (self.0 / scale, self.0 % scale);
        if rest == 0 {
            return write!(f, "{integer} {name}");
        }
        let fraction = format!("{rest:0width$}", width = digits as usize);
        write!(f, "{integer}.{} {name}", fraction.trim_end_matches('0'))
    }
}

impl From<Seconds> for Duration {
    fn from(value: Seconds) -> Self {
        Duration::from_secs(value.0)
    }
}

/// The largest unit, by its printed name, that divides the number.
fn whole(f: &mut fmt::Formatter<'_>, number: u128, table: Table) -> fmt::Result {
    // The printed names come first and end with the unit of size 1.
    let printed = table
        .iter()
        .position(|(_, size)| *size == 1)
        .map_or(table, |end| table.split_at(end + 1).0);
    let fits = printed
        .iter()
        .find(|(_, size)| number != 0 && number.is_multiple_of(*size))
        .or(printed.last());
    match fits {
        Some((name, size)) => write!(f, "{} {name}", number / size),
        None => write!(f, "{number}"),
    }
}

/// Reads `digits[.digits] [space] suffix` exactly, without floating point.
fn parse(text: &str, table: Table, smallest: &'static str) -> Result<u128, UnitError> {
    let units = || table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim();
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if integer.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err(UnitError::Number { text: text.into() });
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit {
            text: text.into(),
            units: units(),
        });
    }
    let (_, size) = table
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| UnitError::UnknownUnit {
            unit: unit.into(),
            units: units(),
        })?;
    let too_large = || UnitError::TooLarge { text: text.into() };
    let digits = |part: &str| {
        let mut value = 0u128;
        for digit in part.chars().filter_map(|c| c.to_digit(10)) {
            value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
        }
        Some(value)
    };
    let fraction: String = fraction.chars().filter(|c| *c != '_').collect();
    let fraction = fraction.trim_end_matches('0');
    let integer = digits(integer)
        .and_then(|n| n.checked_mul(*size))
        .ok_or_else(too_large)?;
    let not_whole = || UnitError::Fraction {
        text: text.into(),
        smallest,
    };
    // More than 18 places are not whole in any unit here.
    let places = u32::try_from(fraction.len())
        .ok()
        .filter(|n| *n <= 18)
        .ok_or_else(not_whole)?;
    let scaled = digits(fraction)
        .and_then(|n| n.checked_mul(*size))
        .ok_or_else(too_large)?;
    let scale = 10u128.pow(places);
    if !scaled.is_multiple_of(scale) {
        return Err(not_whole());
    }
    integer.checked_add(scaled / scale).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read() {
        let cases = [
            ("1 ether", 1_000_000_000_000_000_000u128),
            ("0.1 ether", 100_000_000_000_000_000),
            ("30gwei", 30_000_000_000),
            ("1.5 gwei", 1_500_000_000),
            ("0 wei", 0),
            ("1_000 wei", 1_000),
            ("2 eth", 2_000_000_000_000_000_000),
            ("0.000000000000000001 ether", 1),
            ("1.50000000000000000000000 ether", 1_500_000_000_000_000_000),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse(), Ok(Wei(want)), "{text}");
        }
        assert_eq!("10m".parse(), Ok(Seconds(600)));
        assert_eq!(" 1.5 h ".parse(), Ok(Seconds(5_400)));
        assert_eq!("4 GiB".parse(), Ok(ByteSize(4 << 30)));
        assert_eq!("1.5 kB".parse(), Ok(ByteSize(1_500)));
    }

    #[test]
    fn what_does_not_read_says_why() {
        let error = |text: &str| text.parse::<Wei>().unwrap_err();
        assert!(matches!(error("30"), UnitError::NoUnit { .. }));
        assert!(matches!(error("30 szabo"), UnitError::UnknownUnit { .. }));
        assert!(matches!(error("0.1 wei"), UnitError::Fraction { .. }));
        assert!(matches!(
            error("0.0000000000000000001 ether"),
            UnitError::Fraction { .. }
        ));
        assert!(matches!(
            error("340282366920938463464 ether"),
            UnitError::TooLarge { .. }
        ));
        assert!(matches!(error(&"9".repeat(60)), UnitError::NoUnit { .. }));
        assert!(matches!(error(&("9".repeat(60) + " wei")), UnitError::TooLarge { .. }));
        for text in [
            "",
            "ether",
            "-1 ether",
            "1. ether",
            ".5 ether",
            "1.2.3 ether",
            "٣ ether",
        ] {
            assert!(matches!(error(text), UnitError::Number { .. }), "{text}");
        }
        assert!(matches!(
            "20000000000000000 KiB".parse::<ByteSize>(),
            Err(UnitError::TooLarge { .. })
        ));
        let message = "5 minutes".parse::<Seconds>().unwrap_err().to_string();
        assert_eq!(
            message,
            "\"minutes\" is no unit here; write one of d, h, m, s, days, hours, min, sec"
        );
    }

    #[test]
    fn what_is_printed_reads_back() {
        let mut state = 1u64;
        for round in 0..2_000u32 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let number = state >> (round % 64);
            let wei = Wei(u128::from(number) * 10u128.pow(round % 19));
            assert_eq!(wei.to_string().parse(), Ok(wei));
            assert_eq!(ByteSize(number).to_string().parse(), Ok(ByteSize(number)));
            assert_eq!(Seconds(number).to_string().parse(), Ok(Seconds(number)));
        }
        let shown = [
            Wei(0).to_string(),
            Wei(10u128.pow(17)).to_string(),
            Wei(1_500_000_000).to_string(),
            Wei(7).to_string(),
            Seconds(5_400).to_string(),
            Seconds(0).to_string(),
            ByteSize(1_536 << 10).to_string(),
        ];
        assert_eq!(
            shown,
            ["0 ether", "0.1 ether", "1.5 gwei", "7 wei", "90 m", "0 s", "1536 KiB"]
        );
    }
}
