//! The demo's story on a chain that is not ours.

use zkaggle_node::demo::{Options, run};
use zkaggle_tests::anvil::{Anvil, binary};
use zkaggle_tests::outcome;

const SAMPLES: u32 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn the_story_on_anvil() {
    let Some(binary) = binary() else { return };
    let anvil = Anvil::start(binary).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("story");
    let summary = run(Options {
        dir: dir.clone(),
        rpc_url: Some(anvil.url().to_owned()),
        ipfs_api: None,
        samples: Some(SAMPLES as usize),
    })
    .await
    .unwrap();
    outcome::check(&dir, &summary, SAMPLES);
}
