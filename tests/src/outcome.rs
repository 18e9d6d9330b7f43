//! What must hold after the demo's story, wherever it was played.

use std::path::Path;
use zkaggle_graph::eval::evaluate;
use zkaggle_graph::model::ModelFile;
use zkaggle_node::chain::client::MAX_TX_GAS;
use zkaggle_node::demo::assets;
use zkaggle_node::demo::summary::{FORMAT, Summary};

/// Most gas a claim of the demo's model may use.
const CLAIM_GAS: u64 = 1_000_000;
/// Steps that send several transactions: their gas is a sum.
const SUMS: [&str; 2] = ["deploy the contracts", "register the verifying keys"];
/// Every artefact of a story with one shard.
const ARTEFACTS: [&str; 9] = [
    "summary.json",
    "bounty.toml",
    "digits.graph",
    "proofs/cid-0.proof",
    "proofs/accuracy-hunter-1.proof",
    "proofs/accuracy-hunter-2.proof",
    "proofs/release-hunter-1.proof",
    "model/opened.zkm",
    "model/opened.json",
];

/// Checks the summary and the files in `dir` after a story on the first `samples` records.
///
/// # Panics
/// When anything is not as the story says it is.
pub fn check(dir: &Path, summary: &Summary, samples: u32) {
    for file in ARTEFACTS {
        let length = std::fs::metadata(dir.join(file))
            .unwrap_or_else(|e| panic!("{file}: {e}"))
            .len();
        assert!(length > 0, "{file} is empty");
    }
    assert!(
        !dir.join("proofs/release-hunter-2.proof").exists(),
        "only the winner may have let its weights out"
    );

    let written = std::fs::read_to_string(dir.join("summary.json")).unwrap();
    let written: Summary = serde_json::from_str(&written).unwrap();
    assert_eq!(&written, summary, "summary.json is not what the story returned");
    assert_eq!(summary.format, FORMAT);

    assert_eq!(summary.n, samples);
    assert!(summary.results_match);
    assert_eq!(summary.accuracy_proved, summary.accuracy_reopened);
    assert_eq!(summary.accuracy_proved, f64::from(summary.score) / f64::from(samples));
    assert!(summary.accuracy_proved >= 0.9, "below the bounty's threshold");
    the_opened_model_is_the_winners(dir, summary);

    assert!(!summary.contracts.is_empty());
    for c in &summary.contracts {
        assert!(
            c.bytes < zkaggle_bindings::MAX_DEPLOYED_BYTES,
            "{} has {} bytes",
            c.name,
            c.bytes
        );
    }
    costs(summary);
}

/// The opened file holds the very weights the hunter imported, and they score what was proved.
fn the_opened_model_is_the_winners(dir: &Path, summary: &Summary) {
    let opened = ModelFile::read(&dir.join("model/opened.zkm")).unwrap();
    let entered = ModelFile::read(&dir.join("nodes/hunter-1/model.zkm")).unwrap();
    assert_eq!(opened.graph, entered.graph);
    assert_eq!(opened.weights, entered.weights, "other weights came out than went in");
    let record = assets::schema().record_bytes();
    let holdout = &assets::HOLDOUT[..summary.n as usize * record];
    let e = evaluate(&opened.graph, &opened.weights, holdout).unwrap();
    assert_eq!(e.accuracy.correct, summary.score);
}

fn costs(summary: &Summary) {
    let gas = |name: &str| -> Vec<u64> {
        let steps = summary.steps.iter().filter(|s| s.name == name);
        steps
            .map(|s| s.gas.unwrap_or_else(|| panic!("{name} has no gas")))
            .collect()
    };
    for s in summary.steps.iter().filter(|s| !SUMS.contains(&s.name.as_str())) {
        assert!(s.gas.unwrap_or(0) < MAX_TX_GAS, "{} used {:?} gas", s.name, s.gas);
    }
    assert_eq!(gas("verify the score on chain and rank").len(), 2);
    assert_eq!(gas("verify the CID proof of 1 shard(s) on chain").len(), 1);
    let claims = gas("claim the prize");
    assert_eq!(claims.len(), 1);
    assert!(claims[0] < CLAIM_GAS, "the claim used {} gas", claims[0]);
    // Prize and stake of the winner, stake of the second, bond of the provider.
    assert_eq!(gas("withdraw").len(), 3);
}
