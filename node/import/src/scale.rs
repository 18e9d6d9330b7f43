//! What values are multiplied by before they are rounded to whole numbers.

use std::fmt;
use std::str::FromStr;

/// Factors for the features of every sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// One for all features, or one a feature.
    Each(Vec<f64>),
    /// [`fitting`] for each feature, from a first reading of all sources.
    Auto,
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if s == "auto" {
            return Ok(Self::Auto);
        }
        let one = |f: &str| match f.trim().parse::<f64>() {
            Ok(v) if v.is_finite() && v > 0.0 => Ok(v),
            _ => Err(format!(
                "{f:?} is no number above 0; give one, a list of them, or `auto`"
            )),
        };
        Ok(Self::Each(s.split(',').map(one).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Each(v) => f.write_str(&v.iter().map(f64::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

/// The largest of 1, 2 or 5 times a power of ten at which `magnitude` rounds to at most `max`: factors that a person
/// reads, and at most 2.5 times coarser than what would fit.
///
/// A feature that is zero everywhere, or tiny beyond 10^−30, keeps the factor 1.
pub fn fitting(magnitude: f64, max: u16) -> f64 {
    if !(1e-30..=f64::MAX).contains(&magnitude) {
        return 1.0;
    }
    let most = f64::from(max) / magnitude;
    let power = most.log10().floor() as i32;
    // Written as decimals, so that 10^−3 is the number that 0.001 is.
    let factor = |digit: u8, power: i32| format!("{digit}e{power}").parse().unwrap_or(1.0);
    let candidates = [(1, power + 1), (5, power), (2, power), (1, power), (5, power - 1)];
    let fits = |f: &f64| (magnitude * f).round_ties_even() <= f64::from(max);
    candidates
        .map(|(d, p)| factor(d, p))
        .into_iter()
        .find(fits)
        .unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_factors() {
        assert_eq!("auto".parse(), Ok(Scale::Auto));
        assert_eq!("255".parse(), Ok(Scale::Each(vec![255.0])));
        assert_eq!("1,0.5,1e3".parse(), Ok(Scale::Each(vec![1.0, 0.5, 1000.0])));
        assert_eq!(Scale::Each(vec![1.0, 0.5]).to_string(), "1,0.5");
        for bad in ["", "0", "-1", "1,,2", "x", "inf", "NaN", "1,auto"] {
            assert!(bad.parse::<Scale>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_largest_readable_factor_that_fits_is_taken() {
        for (magnitude, max, factor) in [
            (1.0, 255, 200.0),
            (255.0, 255, 1.0),
            (256.0, 255, 0.5),
            (2501.0, 32767, 10.0),
            (0.16, 32767, 200_000.0),
            (32767.0, 32767, 1.0),
            // Rounds down to the bound.
            (32767.4, 32767, 1.0),
            (32768.0, 32767, 0.5),
            (1e9, 32767, 2e-5),
            (0.0, 32767, 1.0),
            (f64::MAX, 32767, 1e-304),
        ] {
            assert_eq!(fitting(magnitude, max), factor, "{magnitude}");
        }
    }

    #[test]
    fn no_larger_step_fits() {
        let mut steps: Vec<f64> = (-20..20)
            .flat_map(|p| [1, 2, 5].map(|d| format!("{d}e{p}").parse().unwrap()))
            .collect();
        steps.sort_by(f64::total_cmp);
        for i in 1..5000u32 {
            let magnitude = f64::from(i).powi(3) / 7e4;
            let got = fitting(magnitude, 32767);
            let want = steps
                .iter()
                .rev()
                .find(|&&f| (magnitude * f).round_ties_even() <= 32767.0);
            assert_eq!(Some(&got), want, "{magnitude}");
        }
    }
}
