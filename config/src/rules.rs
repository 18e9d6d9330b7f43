//! Rules between settings, and ranges within them.

use crate::error::{ConfigError, Place};
use crate::sections::{Chain, Config};
use crate::units::{ByteSize, Seconds, Wei};
use crate::values::Backend;

/// Below this no circuit of ours proves anything.
const LEAST_MEMORY: ByteSize = ByteSize(256 << 20);
/// Beyond a day's blocks on mainnet, an event is never acted on within a bounty's windows.
const MOST_CONFIRMATIONS: u64 = 7_200;
/// A thousand times what gas usually costs: a slipped unit, not an intention.
const HIGHEST_FEE: Wei = Wei(10_000_000_000_000);
/// Longer than the shortest windows of a bounty.
const LONGEST_POLL: Seconds = Seconds(600);

/// Oftener than this, a node with thousands of blocks does little else.
const SHORTEST_REPROVIDE: Seconds = Seconds(600);
/// Records fade after 48 hours, and some of them are lost with the peers that keep them.
const LONGEST_REPROVIDE: Seconds = Seconds(40 * 3600);

/// Checks what a single value cannot show; `place` says where a setting was given last.
pub(crate) fn check(config: &Config, place: impl Fn(&'static str) -> Place) -> Result<(), ConfigError> {
    let fail = |key, reason: String| {
        Err(ConfigError::Rule {
            place: place(key),
            reason,
        })
    };
    let Config {
        p2p,
        ipfs,
        chain,
        prover,
        ..
    } = config;

    if p2p.listen.is_empty() {
        return fail(
            "p2p.listen",
            "p2p.listen is empty: name at least one address to listen on".into(),
        );
    }
    if p2p.reprovide < SHORTEST_REPROVIDE || p2p.reprovide > LONGEST_REPROVIDE {
        let reason = format!(
            "p2p.reprovide is {}; give {SHORTEST_REPROVIDE} to {LONGEST_REPROVIDE}",
            p2p.reprovide
        );
        return fail("p2p.reprovide", reason);
    }
    if ipfs.backend == Backend::Kubo && ipfs.api_url.is_none() {
        return fail(
            "ipfs.backend",
            "ipfs.backend = \"kubo\" needs ipfs.api_url, such as \"http://127.0.0.1:5001\"".into(),
        );
    }
    if !chain.rpc_url.is_empty() && chain.rpc_url_file.is_some() {
        return fail(
            "chain.rpc_url_file",
            "chain.rpc_url and chain.rpc_url_file are both set: keep one".into(),
        );
    }
    if chain.id == 0 {
        return fail("chain.id", "chain.id is 0; no chain has that id".into());
    }
    if !Chain::WORTHLESS.contains(&chain.id) && !chain.production_opt_in {
        let reason = format!(
            "chain {} may hold real money and this software is unaudited: set chain.production_opt_in = true to go on",
            chain.id
        );
        return fail("chain.id", reason);
    }
    if chain.confirmations > MOST_CONFIRMATIONS {
        return fail(
            "chain.confirmations",
            format!("chain.confirmations is above {MOST_CONFIRMATIONS}"),
        );
    }
    if chain.max_fee == Wei(0) || chain.max_fee > HIGHEST_FEE {
        return fail(
            "chain.max_fee",
            format!("chain.max_fee is {}; give 1 wei to {HIGHEST_FEE}", chain.max_fee),
        );
    }
    if chain.poll == Seconds(0) || chain.poll > LONGEST_POLL {
        return fail(
            "chain.poll",
            format!("chain.poll is {}; give 1 s to {LONGEST_POLL}", chain.poll),
        );
    }
    if prover.max_memory < LEAST_MEMORY {
        let reason = format!(
            "prover.max_memory is {}; proving needs at least {LEAST_MEMORY}",
            prover.max_memory
        );
        return fail("prover.max_memory", reason);
    }
    Ok(())
}
