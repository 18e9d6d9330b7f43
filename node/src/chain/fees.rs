//! What a transaction offers per gas, and how much more when it is stuck.

use crate::failure::Failure;
use alloy::providers::utils::Eip1559Estimation;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use zkaggle_config::units::Wei;

/// Wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// Most in all.
    pub max: u128,
    /// Of that, most for the block's builder.
    pub tip: u128,
}

/// What the chain asks: twice the base fee, and the tip of its recent blocks' cheaper half.
///
/// The lower median of what was paid, where the common estimate takes the mean of the two in the middle: on
/// a chain with few transactions that lets one generous one set the price, and everybody who follows keep it.
/// A tip of zero says that a block was empty.
pub fn asked(base: u128, rewards: &[Vec<u128>]) -> Eip1559Estimation {
    let mut paid: Vec<u128> = rewards.iter().filter_map(|r| r.first().copied()).collect();
    paid.retain(|tip| *tip > 0);
    paid.sort_unstable();
    let middle = paid.len().saturating_sub(1) / 2;
    let tip = paid.get(middle).copied().unwrap_or(1);
    Eip1559Estimation {
        max_fee_per_gas: base.saturating_mul(2).saturating_add(tip),
        max_priority_fee_per_gas: tip,
    }
}

impl Fees {
    /// What the chain asks, lowered to `ceiling`.
    ///
    /// The estimate leaves room for the base fee to double; that room is given up first, and the
    /// transaction is refused only when base fee and tip as they are now do not fit.
    ///
    /// # Errors
    /// [`crate::failure::Code::Refused`], naming the setting.
    pub fn under(asked: Eip1559Estimation, base: u128, ceiling: u128) -> Result<Self> {
        let tip = asked.max_priority_fee_per_gas;
        let now = base.saturating_add(tip);
        if now > ceiling {
            return Err(Failure::refused(format!(
                "gas costs {} now and chain.max_fee is {}; it is tried again later, raise chain.max_fee to pay more",
                Wei(now),
                Wei(ceiling)
            )));
        }
        Ok(Self {
            max: asked.max_fee_per_gas.min(ceiling),
            tip,
        })
    }

    /// The offer that replaces this one: at least an eighth more of both, at least what the chain asks
    /// now, at most `ceiling`. `None` when the ceiling leaves no room.
    ///
    /// # Source
    /// geth and reth take a replacement from a tenth more of both fees on.
    pub fn bumped(self, asked: Option<Self>, ceiling: u128) -> Option<Self> {
        let more = |x: u128| x.saturating_add(x / 8).saturating_add(1);
        let least = Self {
            max: more(self.max),
            tip: more(self.tip),
        };
        let max = least.max.max(asked.map_or(0, |a| a.max)).min(ceiling);
        let tip = least.tip.max(asked.map_or(0, |a| a.tip)).min(max);
        (max >= least.max && tip >= least.tip).then_some(Self { max, tip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_generous_block_does_not_set_the_tip() {
        let tip = |rewards: &[u128]| {
            let rewards: Vec<Vec<u128>> = rewards.iter().map(|r| vec![*r]).collect();
            asked(7, &rewards)
        };
        assert_eq!(tip(&[]).max_priority_fee_per_gas, 1);
        assert_eq!(tip(&[0, 0]).max_priority_fee_per_gas, 1);
        assert_eq!(tip(&[1, 99_000_000_000]).max_priority_fee_per_gas, 1);
        assert_eq!(tip(&[0, 0, 5, 9, 3]).max_priority_fee_per_gas, 5);
        assert_eq!(tip(&[2, 4, 6, 8]).max_fee_per_gas, 14 + 4);
        // A block may answer with nothing, an endpoint with anything.
        assert_eq!(asked(u128::MAX, &[vec![], vec![u128::MAX]]).max_fee_per_gas, u128::MAX);
    }
    use crate::failure::{Code, code_of};

    #[test]
    fn the_ceiling_gives_up_room_first_and_then_refuses() {
        let asked = Eip1559Estimation {
            max_fee_per_gas: 21,
            max_priority_fee_per_gas: 1,
        };
        for (ceiling, offered) in [
            (22, Some(21)),
            (21, Some(21)),
            (20, Some(20)),
            (11, Some(11)),
            (10, None),
        ] {
            let got = Fees::under(asked, 10, ceiling);
            assert_eq!(got.as_ref().ok().map(|f| f.max), offered, "{ceiling}");
            assert!(got.is_err() || got.is_ok_and(|f| f.tip == 1));
        }
        let e = Fees::under(asked, u128::MAX, u128::MAX - 1).unwrap_err();
        assert_eq!(code_of(&e), Code::Refused);
    }

    #[test]
    fn a_replacement_is_a_tenth_more_or_is_not_made() {
        let old = Fees { max: 1_000, tip: 10 };
        for (asked, ceiling, want) in [
            (None, u128::MAX, Some((1_126, 12))),
            (Some(Fees { max: 3_000, tip: 50 }), u128::MAX, Some((3_000, 50))),
            (Some(Fees { max: 3_000, tip: 50 }), 2_000, Some((2_000, 50))),
            (None, 1_126, Some((1_126, 12))),
            (None, 1_125, None),
        ] {
            let got = old.bumped(asked, ceiling).map(|f| (f.max, f.tip));
            assert_eq!(got, want, "{asked:?} {ceiling}");
        }
        // From nothing it still rises, and at the top it does not wrap.
        assert_eq!(Fees { max: 0, tip: 0 }.bumped(None, 5), Some(Fees { max: 1, tip: 1 }));
        let most = Fees {
            max: u128::MAX,
            tip: u128::MAX,
        };
        assert_eq!(most.bumped(None, u128::MAX), Some(most));
        assert_eq!(most.bumped(None, u128::MAX - 1), None);
    }
}
