//! The whole bounty with every node a process of its own, over real HTTP and real sockets; one hunter has both its slots
//! in it, loses its disk between proof and claim, comes back from its backup, and claims twice.

mod common;

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use common::{Service, asset, finish, import_digits, import_model, init, password, zkaggle};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::time::advance_to;
use zkaggle_node::chain::{Chain, Deployment};
use zkaggle_node::roles::provider::Opened;

/// Enough for the better model to win: on fewer the two tie, and the first to commit does.
const SAMPLES: usize = 80;
const RECORD: usize = 65;
/// Keys and proofs in an unoptimised build, with other tests beside it.
const PATIENCE: Duration = Duration::from_secs(300);
/// How fast a node must stop when it is told to.
const STOP: Duration = Duration::from_secs(30);
const ETHER: u128 = 1_000_000_000_000_000_000;

/// Folders and processes of the story.
struct Stage {
    dir: PathBuf,
    password: PathBuf,
    url: String,
    chain: Service,
    market: Market,
}

impl Stage {
    async fn set(dir: &Path) -> Self {
        let deployment = dir.join("deployment.json");
        let mut c = zkaggle();
        c.args(["devnet", "--port", "0", "--deployment"]).arg(&deployment);
        let chain = Service::start("devnet", dir, &mut c);
        let url = chain.value("development chain 31337 at");
        let faucet = DevNet::new(DevNetConfig::default()).accounts()[0].signer();
        let account = Chain::connect_http(&url, faucet, Some(31_337)).await.unwrap();
        let market = Market::open(account, Deployment::read(&deployment).unwrap())
            .await
            .unwrap();
        Self {
            dir: dir.to_owned(),
            password: password(dir),
            url,
            chain,
            market,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes a node's folder and sends its account ten ether.
    async fn node(&self, name: &str, role: &str) -> Address {
        let account: Address = init(&self.at(name), role, &self.password).parse().unwrap();
        let fund = TransactionRequest::default()
            .with_to(account)
            .with_value(U256::from(10 * ETHER));
        self.market.chain().send_request("fund a node", fund).await.unwrap();
        account
    }

    /// Starts a node from its folder; what it needs of the environment is set for it alone.
    fn daemon(&self, folder: &str, args: &[&str]) -> Service {
        let mut c = zkaggle();
        c.args(["-v", "daemon", "--until-done", "--rpc-url", &self.url, "--dir"])
            .arg(self.at(folder))
            .arg("--deployment")
            .arg(self.at("deployment.json"))
            .args(args)
            .env("ZKAGGLE_PASSWORD_FILE", &self.password)
            .env("ZKAGGLE_P2P__LISTEN", "/ip4/127.0.0.1/tcp/0")
            .env("ZKAGGLE_PROVER__KEYS_DIR", self.at("keys"));
        Service::start(folder, &self.dir, &mut c)
    }

    /// Waits until `holds`, while every node runs.
    async fn until(&self, what: &str, nodes: &mut [&mut Service], mut holds: impl AsyncFnMut(&Market) -> bool) {
        let since = Instant::now();
        while !holds(&self.market).await {
            for n in nodes.iter_mut() {
                assert!(n.runs(), "before {what}, this ended: {}", n.told());
            }
            if since.elapsed() > PATIENCE {
                let told: Vec<String> = nodes.iter().map(|n| n.told()).collect();
                panic!("gave up waiting until {what}\n{}", told.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn import(&self, onnx: &str, out: &str) {
        let mut c = import_model(&asset(onnx), SAMPLES as u32, &self.at(out), &self.at("digits.graph"));
        finish(&mut c).ok();
    }

    /// Imports the first records, sealed, and writes the bounty on them.
    fn bounty(&self) -> PathBuf {
        let records = std::fs::read(asset("digits-holdout.bin")).unwrap();
        std::fs::write(self.at("holdout.bin"), &records[..SAMPLES * RECORD]).unwrap();
        let imported = finish(&mut import_digits(&self.at("holdout.bin"), &self.at("provider"))).ok();
        let manifest = imported.json()["manifest"].as_str().unwrap().to_owned();
        let text = format!(
            r#"
                format = "zkaggle-bounty/1"
                label = "digits"
                dataset = "{manifest}"
                threshold = "90 %"
                prizes = ["1 ether", "0.5 ether"]
                bond = "0.15 ether"
                stake = "0.02 ether"
                architectures = ["digits.graph"]
                [windows]
                commit = "1h"
                gap = "1m"
                reveal = "1h"
                attest = "2h"
                prove = "6h"
                claim = "24h"
            "#
        );
        std::fs::write(self.at("bounty.toml"), text).unwrap();
        self.at("bounty.toml")
    }

    /// Backs a node's folder up, destroys it, and makes a new one from the backup.
    fn lose_and_restore(&self, folder: &str, again: &str) {
        let backup = self.at("node.backup");
        let with = |c: &mut std::process::Command| {
            finish(c.arg("--password-file").arg(&self.password)).ok();
        };
        with(
            zkaggle()
                .arg("backup")
                .arg("--dir")
                .arg(self.at(folder))
                .arg("--out")
                .arg(&backup),
        );
        std::fs::remove_dir_all(self.at(folder)).unwrap();
        with(
            zkaggle()
                .arg("restore")
                .arg("--file")
                .arg(&backup)
                .arg("--dir")
                .arg(self.at(again)),
        );
    }
}

async fn state(market: &Market, hunter: Address, slot: u8) -> Option<EntryState> {
    let entry = market.entry(1, hunter, slot).await.unwrap()?;
    Some(EntryState::read(entry.state).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_as_processes_and_a_hunter_restored_from_its_backup() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path()).await;
    let provider_account = stage.node("provider", "provider").await;
    let winner = stage.node("hunter-1", "hunter").await;
    let third = stage.node("hunter-2", "hunter").await;
    stage.import("digits-mlp.onnx", "hunter-1.zkm");
    stage.import("digits-mlp-weak.onnx", "hunter-2.zkm");
    let entered = ["hunter-1.zkm", "hunter-2.zkm"].map(|name| std::fs::read(stage.at(name)).unwrap());
    let bounty = stage.bounty();

    let mut provider = stage.daemon("provider", &["--bounty", bounty.to_str().unwrap()]);
    assert!(provider.stdout().contains(&provider_account.to_string()));
    let peer = provider.value("peer");
    let hunt = |name: &str, models: &[&str]| {
        let models: Vec<PathBuf> = models.iter().map(|m| stage.at(m)).collect();
        let mut args = vec!["--peer", peer.as_str()];
        for model in &models {
            args.extend(["--model", model.to_str().unwrap()]);
        }
        stage.daemon(name, &args)
    };
    let mut first = hunt("hunter-1", &["hunter-1.zkm", "hunter-2.zkm"]);
    stage
        .until("both slots are taken", &mut [&mut provider, &mut first], async |m| {
            m.count().await.unwrap() == 1 && m.bounty(1).await.unwrap().entrants == 2
        })
        .await;
    // Two entries by one account, of two models and under two blinds.
    let h = async |slot| stage.market.entry(1, winner, slot).await.unwrap().unwrap().h;
    assert_ne!(h(0).await, h(1).await);
    // The same model as in the first one's other slot: the scores tie, and whoever committed first is ahead.
    let mut weaker = hunt("hunter-2", &["hunter-2.zkm"]);
    let mut all = [&mut provider, &mut first, &mut weaker];
    stage
        .until("both hunters have committed", &mut all, async |m| {
            m.bounty(1).await.unwrap().entrants == 3
        })
        .await;
    let sealed = std::fs::read_dir(stage.at("hunter-1/blocks/blocks")).unwrap().count();
    assert_eq!(sealed, 0, "a hunter has blocks of a hold-out nobody has revealed");

    let b = stage.market.bounty(1).await.unwrap();
    let reveal = b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap);
    advance_to(stage.market.chain(), reveal).await.unwrap();
    stage
        .until("all three entries are ranked", &mut all, async |m| {
            let mut ranked = 0;
            for (who, slot) in [(winner, 0), (winner, 1), (third, 0)] {
                ranked += u8::from(state(m, who, slot).await == Some(EntryState::Ranked));
            }
            ranked == 3
        })
        .await;
    let board = stage.market.board(1).await.unwrap();
    let places: Vec<(Address, u8)> = board.iter().map(|r| (r.hunter, r.slot)).collect();
    assert_eq!(places, [(winner, 0), (winner, 1), (third, 0)]);
    assert_eq!(board[1].score, board[2].score);
    assert!(board[0].score > board[1].score);
    the_status_names_both_slots(&stage, winner);

    // The model files that were entered go too: all that is left is the backup.
    first.stop(STOP);
    for name in ["hunter-1.zkm", "hunter-2.zkm"] {
        std::fs::remove_file(stage.at(name)).unwrap();
    }
    stage.lose_and_restore("hunter-1", "hunter-1-again");
    let mut restored = stage.daemon("hunter-1-again", &["--peer", &peer]);
    assert!(
        restored.stdout().contains(&winner.to_string()),
        "another account came back"
    );

    let (start, _) = stage.market.round(1).await.unwrap().unwrap();
    advance_to(stage.market.chain(), start).await.unwrap();
    let mut all = [&mut provider, &mut restored, &mut weaker];
    stage
        .until("the bounty is settled", &mut all[..1], async |m| {
            Phase::read(m.bounty(1).await.unwrap().settled).unwrap() != Phase::None
        })
        .await;
    for node in &mut all {
        node.ended(PATIENCE);
    }

    for slot in [0, 1] {
        assert_eq!(state(&stage.market, winner, slot).await, Some(EntryState::Claimed));
    }
    let held = async |a| stage.market.chain().rpc().get_balance(a).await.unwrap();
    assert!(
        held(winner).await > U256::from(11 * ETHER + ETHER / 4),
        "both prizes did not arrive: {} wei are there, of 10 ether and two prizes",
        held(winner).await
    );
    assert!(held(third).await < U256::from(10 * ETHER), "who ranked third was paid");
    assert!(
        held(third).await > U256::from(10 * ETHER - ETHER / 50),
        "the stake did not come back: {} wei are left of 10 ether",
        held(third).await
    );
    assert_eq!(
        held(stage.market.address()).await,
        U256::ZERO,
        "something is left in the market"
    );
    for (slot, entered) in entered.iter().enumerate() {
        opened(&stage.at("provider/opened"), entered, winner, slot);
    }
    stage.chain.stop(STOP);
}

/// `hunt status` as somebody else sees it.
fn the_status_names_both_slots(stage: &Stage, winner: Address) {
    let mut c = zkaggle();
    c.args(["--json", "hunt", "status", "1", "--hunter", &winner.to_string()])
        .args(["--rpc-url", &stage.url, "--deployment"])
        .arg(stage.at("deployment.json"));
    let status = finish(&mut c).ok().json();
    let rows: Vec<(u64, u64, &str)> = status["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let n = |key: &str| e[key].as_u64().unwrap();
            (n("slot"), n("rank"), e["state"].as_str().unwrap())
        })
        .collect();
    assert_eq!(rows, [(0, 1, "Ranked"), (1, 2, "Ranked")]);
}

/// The provider holds the very file that was entered, and it scores what was proved.
fn opened(dir: &Path, entered: &[u8], winner: Address, slot: usize) {
    let report = dir.join(format!("bounty-1-{winner}-{slot}.json"));
    let report: Opened = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert!(report.results_match);
    assert_eq!(report.score_reopened, report.score_proved);
    assert_eq!(report.n as usize, SAMPLES);
    assert_eq!(report.hunter, winner.to_string());
    assert!(
        std::fs::read(dir.join(&report.model)).unwrap() == entered,
        "another model came out"
    );
}
