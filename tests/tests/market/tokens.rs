//! Ceilings cover tokens: what is not listed is not spent, what is listed only up to its limit, and the market is
//! never allowed to take more than one bounty's prizes and bond.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::tokens::TokenCeilings;
use zkaggle_node::failure::{Code, code_of};
use zkaggle_tests::world::{MILLI, Rules, World};

fn milli(n: u64) -> U256 {
    U256::from(n) * U256::from(MILLI)
}

async fn under(m: &Market, ceilings: TokenCeilings) -> Market {
    let chain = m.chain().clone().with_token_ceilings(ceilings);
    Market::open(chain, m.deployment().clone()).await.unwrap()
}

async fn refused(w: &World, owner: &Market, rules: &Rules, word: &str) {
    let token = rules.token.unwrap();
    let before = (w.market.count().await.unwrap(), owner.allowance(token).await.unwrap());
    let e = w.post(owner, rules).await.unwrap_err();
    assert_eq!(code_of(&e), Code::Refused, "{e:#}");
    assert!(format!("{e:#}").contains(word), "{e:#}");
    let after = (w.market.count().await.unwrap(), owner.allowance(token).await.unwrap());
    assert_eq!(before, after, "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_leaves_within_its_ceiling_and_by_the_exact_amount() {
    let w = World::embedded().await.unwrap();
    let owner = w.player().await.unwrap();
    let token = w.token(&owner).await.unwrap();
    let rules = Rules {
        token: Some(token),
        ..Rules::default()
    };
    let escrow = milli(110);

    // Nothing is listed, and another token is.
    refused(
        &w,
        &under(&owner, TokenCeilings::new()).await,
        &rules,
        "does not list it",
    )
    .await;
    let other = TokenCeilings::from([(Address::repeat_byte(9), U256::MAX)]);
    refused(&w, &under(&owner, other).await, &rules, "does not list it").await;
    let little = TokenCeilings::from([(token, escrow - U256::from(1))]);
    let short = under(&owner, little).await;
    refused(&w, &short, &rules, "above its chain.max_spend_tokens").await;
    let e = short.foresee(token, escrow).await.unwrap_err();
    assert_eq!(code_of(&e), Code::Refused, "not told before: {e:#}");

    // Room for two bounties and not for a third; the market is left with no allowance after each.
    let enough = under(&owner, TokenCeilings::from([(token, milli(250))])).await;
    for _ in 0..2 {
        let told = enough.foresee(token, escrow).await.unwrap();
        assert!(told.contains(&format!("{escrow} of the token {token}")), "{told}");
        w.post(&enough, &rules).await.unwrap();
        assert_eq!(enough.allowance(token).await.unwrap(), U256::ZERO, "more was allowed");
    }
    refused(&w, &enough, &rules, "above its chain.max_spend_tokens").await;

    // An allowance that is there from before is made exact, and an unlimited one is never given.
    let free = under(&owner, TokenCeilings::from([(token, U256::MAX)])).await;
    free.approve(token, milli(500)).await.unwrap();
    free.approve(token, escrow).await.unwrap();
    assert_eq!(free.allowance(token).await.unwrap(), escrow);
    let mut unlimited = vec![0x09, 0x5e, 0xa7, 0xb3];
    unlimited.extend(w.market.address().into_word().0);
    unlimited.extend([0xff; 32]);
    let request = TransactionRequest::default().with_to(token).with_input(unlimited);
    let e = free
        .chain()
        .send_request("allow everything", request)
        .await
        .unwrap_err();
    assert_eq!(code_of(&e), Code::Refused, "{e:#}");
    assert!(format!("{e:#}").contains("unlimited"), "{e:#}");
    assert_eq!(free.allowance(token).await.unwrap(), escrow);
    w.post(&free, &rules).await.unwrap();
    assert_eq!(free.allowance(token).await.unwrap(), U256::ZERO);
}
