//! What a development chain is started with.

use alloy::primitives::{Address, B256, U256, b256};
use alloy::signers::local::PrivateKeySigner;

/// The mnemonic that hardhat, anvil and every wallet's documentation use for tests. Public: never fund it elsewhere.
pub const TEST_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Keys 0 to 9 of [`TEST_MNEMONIC`] on the path `m/44'/60'/0'/0/i`.
const TEST_KEYS: [B256; 10] = [
    b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    b256!("dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    b256!("2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];

/// Parameters of a development chain; the defaults are anvil's where a client can see them.
#[derive(Clone, Debug)]
pub struct DevNetConfig {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// How many test accounts hold money, at most ten.
    pub funded: usize,
    /// Each funded account's balance in wei.
    pub balance: U256,
    /// Base fee of every block, in wei per gas.
    pub base_fee: u64,
    /// Gas limit of a block; a transaction is capped at 16,777,216 whatever this says (EIP-7825).
    pub block_gas_limit: u64,
    /// Gas given to `eth_call`: above the transaction cap, because views that render images may need it.
    pub call_gas: u64,
    /// Timestamp of block 0 in Unix seconds; the clock continues from it. `None`: the present.
    pub genesis_time: Option<u64>,
    /// Largest HTTP body in bytes.
    pub max_body: usize,
    /// Most requests in one batch.
    pub max_batch: usize,
    /// Whether [`DevNet::serve`](crate::DevNet::serve) accepts a listener that other machines can reach.
    pub allow_remote: bool,
}

impl Default for DevNetConfig {
    fn default() -> Self {
        Self {
            chain_id: 31_337,
            funded: TEST_KEYS.len(),
            balance: U256::from(10_000) * U256::from(10).pow(U256::from(18)),
            base_fee: 1_000_000_000,
            block_gas_limit: 60_000_000,
            call_gas: 100_000_000,
            genesis_time: None,
            max_body: 8 << 20,
            max_batch: 256,
            allow_remote: false,
        }
    }
}

impl DevNetConfig {
    pub(crate) fn accounts(&self) -> Vec<DevAccount> {
        TEST_KEYS
            .iter()
            .take(self.funded)
            .filter_map(|key| DevAccount::new(*key))
            .collect()
    }
}

/// A funded account whose key everybody knows.
#[derive(Clone, Debug)]
pub struct DevAccount {
    /// The account.
    pub address: Address,
    /// Its secp256k1 key.
    pub key: B256,
    signer: PrivateKeySigner,
}

impl DevAccount {
    /// `None` when the bytes are no secp256k1 key, which the test below excludes for the built-in ones.
    fn new(key: B256) -> Option<Self> {
        let signer = PrivateKeySigner::from_bytes(&key).ok()?;
        Some(Self {
            address: signer.address(),
            key,
            signer,
        })
    }

    /// A signer for alloy's wallet filler.
    pub fn signer(&self) -> PrivateKeySigner {
        self.signer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    #[test]
    fn accounts_are_the_published_ones() {
        let got: Vec<_> = DevNetConfig::default().accounts().iter().map(|a| a.address).collect();
        let want = [
            address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
            address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
            address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
            address!("90F79bf6EB2c4f870365E785982E1f101E93b906"),
            address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
            address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
            address!("976EA74026E726554dB657fA54763abd0C3a0aa9"),
            address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
            address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
            address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn no_more_accounts_than_asked() {
        assert_eq!(
            DevNetConfig {
                funded: 3,
                ..Default::default()
            }
            .accounts()
            .len(),
            3
        );
        assert_eq!(
            DevNetConfig {
                funded: 99,
                ..Default::default()
            }
            .accounts()
            .len(),
            10
        );
    }
}
