//! The market's enumerations. Solidity's ABI carries them as numbers without names; the order here
//! is that of `IBountyMarket.sol`.

use anyhow::{Context, Result};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident: $($variant:ident),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every one, in the chain's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Reads the chain's number.
            ///
            /// # Errors
            /// For a number this version does not know.
            pub fn read(n: u8) -> Result<Self> {
                Self::ALL
                    .get(usize::from(n))
                    .copied()
                    .with_context(|| format!("{n} is no {} this version knows", stringify!($name)))
            }
        }
    };
}

numbered!(
    /// Sealed: hunters commit before the hold-out is revealed. Open: the data is public from the start.
    Mode: Sealed, Open
);
numbered!(
    /// Where a bounty stands.
    Phase: None, Commit, Reveal, Attest, Prove, Claim, Closed, Cancelled, Defaulted
);
numbered!(
    /// Where an entry stands.
    EntryState: None, Committed, Proved, Ranked, Claimed, Lapsed, Refunded, Claiming
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The order is read from the interface itself, so that a change there is noticed here.
    #[test]
    fn the_order_is_that_of_the_interface() {
        let source = include_str!("../../../contracts/src/interfaces/IBountyMarket.sol");
        let names = |name: &str| -> Vec<String> {
            let body = source
                .split(&format!("enum {name} {{"))
                .nth(1)
                .unwrap()
                .split('}')
                .next()
                .unwrap();
            body.split(',')
                .map(|v| v.trim().to_owned())
                .filter(|v| !v.is_empty())
                .collect()
        };
        let ours = |all: &[Phase]| all.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>();
        assert_eq!(names("Phase"), ours(Phase::ALL));
        assert_eq!(
            names("EntryState"),
            EntryState::ALL.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>()
        );
        assert_eq!(
            names("Mode"),
            Mode::ALL.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>()
        );
        assert!(Phase::read(9).is_err());
    }
}
