//! Train and test: a stratified split that anyone can make again from its seed.

use crate::error::ImportError;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use std::str::FromStr;

/// How many records go to each part, as a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    pub train: u32,
    pub test: u32,
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once(':')
            .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        match parts {
            Some((train, test)) if (1..=1_000_000).contains(&train) && (1..=1_000_000).contains(&test) => {
                Ok(Self { train, test })
            }
            _ => Err(format!("{text:?} is no split: give train and test like `80:20`")),
        }
    }
}

/// The records of each part, in their order in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    pub train: Vec<u64>,
    pub test: Vec<u64>,
}

/// Splits records so that each class has its share in both parts, up to one record.
///
/// Every class's records are shuffled (Fisher–Yates over ChaCha20 of the seed, classes in order) and the first
/// `⌊count · test / (train + test)⌋` go to the test set, one more in the classes with the largest remainders until the
/// whole test set is `⌊n · test / (train + test)⌋`.
///
/// # Errors
/// When a part would be empty.
pub fn stratified(labels: &[u16], ratio: Ratio, seed: u64) -> Result<Indices, ImportError> {
    let classes = usize::from(labels.iter().copied().max().unwrap_or(0)) + 1;
    let mut of_class: Vec<Vec<u64>> = vec![vec![]; classes];
    for (i, &label) in labels.iter().enumerate() {
        of_class[usize::from(label)].push(i as u64);
    }
    let (test, whole) = (u64::from(ratio.test), u64::from(ratio.train) + u64::from(ratio.test));
    let share = |n: usize| (n as u64 * test / whole, n as u64 * test % whole);
    let mut sizes: Vec<u64> = of_class.iter().map(|c| share(c.len()).0).collect();
    let missing = share(labels.len()).0 - sizes.iter().sum::<u64>();
    let mut by_rest: Vec<usize> = (0..classes).collect();
    by_rest.sort_by_key(|&c| std::cmp::Reverse(share(of_class[c].len()).1));
    for &class in by_rest.iter().take(missing as usize) {
        sizes[class] += 1;
    }
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut out = Indices {
        train: vec![],
        test: vec![],
    };
    for (mut records, size) in of_class.into_iter().zip(sizes) {
        records.shuffle(&mut rng);
        out.train.extend(&records[size as usize..]);
        out.test.extend(&records[..size as usize]);
    }
    if out.train.is_empty() || out.test.is_empty() {
        return Err(ImportError::Options(format!(
            "a split of {}:{} leaves a part of {} records empty; add records or change the split",
            ratio.train,
            ratio.test,
            labels.len()
        )));
    }
    out.train.sort_unstable();
    out.test.sort_unstable();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(counts: &[usize]) -> Vec<u16> {
        counts
            .iter()
            .enumerate()
            .flat_map(|(c, &n)| vec![c as u16; n])
            .collect()
    }

    #[test]
    fn every_class_keeps_its_share() {
        for (counts, train, test) in [
            (&[100, 50, 10][..], 80, 20),
            (&[33, 33, 33, 1], 2, 1),
            (&[7, 0, 9], 1, 1),
        ] {
            let (l, ratio) = (labels(counts), Ratio { train, test });
            let split = stratified(&l, ratio, 7).unwrap();
            let mut all = [split.train.clone(), split.test.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..l.len() as u64).collect::<Vec<_>>());
            assert_eq!(split.test.len(), l.len() * test as usize / (train + test) as usize);
            for (class, &n) in counts.iter().enumerate() {
                let got = split
                    .test
                    .iter()
                    .filter(|&&i| usize::from(l[i as usize]) == class)
                    .count();
                let exact = n as f64 * f64::from(test) / f64::from(train + test);
                assert!(
                    (got as f64 - exact).abs() < 1.0,
                    "{counts:?}, class {class}: {got} of {exact}"
                );
            }
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let l = labels(&[40, 60]);
        let of = |seed| stratified(&l, Ratio { train: 3, test: 1 }, seed).unwrap();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        // Recorded splits must stay what they were.
        assert_eq!(of(7).test[..6], PINNED);
    }

    const PINNED: [u64; 6] = [1, 4, 8, 9, 11, 13];

    #[test]
    fn odd_ratios_are_refused() {
        for text in ["", "80", "80:0", "0:1", "80:20:1", "a:b", "-1:2", "1:2000000"] {
            assert!(text.parse::<Ratio>().is_err(), "{text:?}");
        }
        assert_eq!("80:20".parse(), Ok(Ratio { train: 80, test: 20 }));
        assert!(stratified(&[0, 1], Ratio { train: 9, test: 1 }, 0).is_err());
    }
}
