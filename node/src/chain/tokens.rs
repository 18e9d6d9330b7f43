//! ERC-20 tokens: what may leave the account, exact allowances, and what is told before.
//!
//! Every transaction passes [`outflow`] before it is signed, so that no call, wherever it is made, lets a token out
//! without being counted.

use super::client::Chain;
use super::errors::explain_call;
use super::market::Market;
use super::outbox::show;
use crate::failure::Failure;
use alloy::primitives::{Address, TxKind, U256};
use alloy::sol_types::SolCall;
use anyhow::Result;
use std::collections::BTreeMap;

/// Most of each token, in its smallest unit, that may leave the account in a day; others may not at all.
pub type TokenCeilings = BTreeMap<Address, U256>;

alloy::sol! {
    /// What is used of ERC-20; some tokens return nothing from `approve`.
    #[sol(rpc)]
    interface IErc20 {
        function approve(address spender, uint256 amount) external;
        function increaseAllowance(address spender, uint256 amount) external;
        function transfer(address to, uint256 amount) external;
        function allowance(address owner, address spender) external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
    }
}

/// The token that a call lets out, or allows somebody to take, and how much of it.
pub fn outflow(to: TxKind, input: &[u8]) -> Option<(Address, U256)> {
    let token = to.into_to()?;
    let amount = IErc20::approveCall::abi_decode(input)
        .map(|c| c.amount)
        .or_else(|_| IErc20::increaseAllowanceCall::abi_decode(input).map(|c| c.amount))
        .or_else(|_| IErc20::transferCall::abi_decode(input).map(|c| c.amount))
        .ok()?;
    (!amount.is_zero()).then_some((token, amount))
}

impl Chain {
    /// Counts what a call lets out of a token against the day's ceiling.
    ///
    /// # Errors
    /// Refused for an unlimited allowance, and above the ceiling.
    pub(super) fn spend_token(&self, what: &str, to: TxKind, input: &[u8]) -> Result<()> {
        let Some((token, amount)) = outflow(to, input) else {
            return Ok(());
        };
        if amount > U256::MAX >> 1 {
            return Err(Failure::refused(format!(
                "{what}: an allowance of {amount} of the token {token} is as good as unlimited; this node gives exact ones"
            )));
        }
        self.outbox().spend_token(what, token, amount, self.token_ceilings())
    }
}

impl Market {
    /// Lets the market take exactly `amount` of a token from this account.
    ///
    /// # Errors
    /// Refused when the account holds less, above the day's ceiling, or when the token does not say yes.
    pub async fn approve(&self, token: Address, amount: U256) -> Result<()> {
        let erc20 = IErc20::new(token, self.chain().rpc().clone());
        let me = self.chain().account();
        self.holds(token, amount).await?;
        let allowed = erc20.allowance(me, self.address()).call().await.map_err(explain_call)?;
        if allowed == amount {
            return Ok(());
        }
        if !allowed.is_zero() {
            // Some tokens refuse to change an allowance that is not zero.
            self.chain()
                .send("reset the token's allowance", erc20.approve(self.address(), U256::ZERO))
                .await?;
        }
        self.chain()
            .send(
                "allow the market to take prizes and bond",
                erc20.approve(self.address(), amount),
            )
            .await?;
        let allowed = erc20.allowance(me, self.address()).call().await.map_err(explain_call)?;
        if allowed != amount {
            return Err(Failure::refused(format!(
                "the token {token} lets the market take {allowed}, and not exactly {amount}"
            )));
        }
        Ok(())
    }

    async fn holds(&self, token: Address, amount: U256) -> Result<U256> {
        let erc20 = IErc20::new(token, self.chain().rpc().clone());
        let me = self.chain().account();
        let balance = erc20.balanceOf(me).call().await.map_err(explain_call)?;
        match balance < amount {
            true => Err(Failure::refused(format!(
                "prizes and bond are {amount} of the token {token}, the account holds {balance} (smallest units)"
            ))),
            false => Ok(balance),
        }
    }

    /// What this account lets the market take of a token now.
    pub async fn allowance(&self, token: Address) -> Result<U256> {
        let erc20 = IErc20::new(token, self.chain().rpc().clone());
        erc20
            .allowance(self.chain().account(), self.address())
            .call()
            .await
            .map_err(explain_call)
    }

    /// What posting with this escrow will take, in words; nothing is sent and nothing is counted.
    ///
    /// # Errors
    /// Refused when the account does not hold it, or a ceiling does not allow it.
    pub async fn foresee(&self, token: Address, escrow: U256) -> Result<String> {
        let chain = self.chain();
        if token.is_zero() {
            let balance = chain.balance().await?;
            if balance < escrow {
                return Err(Failure::refused(format!(
                    "prizes and bond are {}, account {} holds {}",
                    show(escrow),
                    chain.account(),
                    show(balance)
                )));
            }
            chain.outbox().room("posting", escrow, chain.caution().max_spend)?;
            return Ok(format!(
                "prizes and bond are {} of the account's {}",
                show(escrow),
                show(balance)
            ));
        }
        let balance = self.holds(token, escrow).await?;
        let allowed = self.allowance(token).await?;
        if allowed != escrow {
            chain
                .outbox()
                .room_token("posting", token, escrow, chain.token_ceilings())?;
        }
        Ok(format!(
            "prizes and bond are {escrow} of the token {token} (smallest units), of {balance} held; the market is allowed to take exactly that, and gas is paid in ether"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_is_seen_and_nothing_else() {
        let token = Address::repeat_byte(5);
        let (to, amount) = (Address::repeat_byte(6), U256::from(7));
        for input in [
            IErc20::approveCall { spender: to, amount }.abi_encode(),
            IErc20::increaseAllowanceCall { spender: to, amount }.abi_encode(),
            IErc20::transferCall { to, amount }.abi_encode(),
        ] {
            assert_eq!(outflow(TxKind::Call(token), &input), Some((token, amount)));
            assert_eq!(outflow(TxKind::Create, &input), None);
            assert_eq!(outflow(TxKind::Call(token), &input[..40]), None);
        }
        let none = IErc20::approveCall {
            spender: to,
            amount: U256::ZERO,
        };
        assert_eq!(outflow(TxKind::Call(token), &none.abi_encode()), None);
        let balance = IErc20::balanceOfCall { account: to }.abi_encode();
        assert_eq!(outflow(TxKind::Call(token), &balance), None);
    }
}
