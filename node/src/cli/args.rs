//! Flags and subcommands.

use super::dataset_car::ExportArgs;
use super::dataset_import::ImportArgs;
use super::layout::LayoutArgs;
use alloy::primitives::Address;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use zkaggle_graph::graph::FeatureType;

/// A peer node for a marketplace of machine-learning models whose scores are proved, not promised.
///
/// Exit codes: 0 ok, 1 failed, 2 usage, 3 refused by a check, 4 not found, 5 unreachable.
#[derive(Debug, Parser)]
#[command(name = "zkaggle", version, max_term_width = 100)]
pub struct Cli {
    /// Print one JSON document on stdout instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more; twice for still more. Logs go to stderr.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the whole story on this machine, with real proofs.
    #[command(
        after_help = "Example:\n  zkaggle demo --dir story\n  zkaggle verify story/proofs/accuracy-hunter-1.proof --keys story/keys"
    )]
    Demo(DemoArgs),
    /// Run a development chain with the contracts deployed.
    #[command(after_help = "Example:\n  zkaggle devnet --port 8545 --deployment deployment.json")]
    Devnet(DevnetArgs),
    /// Make a node's folder: keys and a commented configuration.
    #[command(after_help = "Example:\n  zkaggle init --dir ~/.zkaggle --password-file pw --role hunter")]
    Init(InitArgs),
    /// Run a node until it is told to stop.
    #[command(after_help = "Example:\n  zkaggle daemon --dir ~/.zkaggle --password-file pw --model digits.zkm")]
    Daemon(DaemonArgs),
    /// Turn files into datasets.
    Dataset(DatasetArgs),
    /// Turn trained networks into integer models, and evaluate them.
    Model(ModelArgs),
    /// Put the contracts on a chain, at the same addresses everywhere; run again, it does nothing.
    #[command(
        after_help = "Example:\n  zkaggle deploy --rpc-url http://127.0.0.1:8545 --dev-account 0 --out deployment.json"
    )]
    Deploy(super::deploy::DeployArgs),
    /// Post bounties and see them through; look at bounties.
    Bounty(super::bounty::BountyArgs),
    /// Enter bounties, prove, claim.
    Hunt(super::hunt::HuntArgs),
    /// Check a proof from its file and the keys folder alone.
    #[command(after_help = "Example:\n  zkaggle verify story/proofs/release-hunter-1.proof --keys story/keys")]
    Verify(VerifyArgs),
    /// Write everything a node needs to claim into one encrypted file.
    #[command(after_help = "Example:\n  zkaggle backup --dir ~/.zkaggle --password-file pw --out node.backup")]
    Backup(BackupArgs),
    /// Make a node's folder from a backup.
    #[command(after_help = "Example:\n  zkaggle restore --file node.backup --password-file pw --dir ~/.zkaggle")]
    Restore(RestoreArgs),
    /// Look at everything a node needs and say what is missing or broken.
    #[command(after_help = "Example:\n  zkaggle doctor --dir ~/.zkaggle\n  zkaggle doctor --dir ~/.zkaggle --json")]
    Doctor(super::doctor::DoctorArgs),
    /// Measure the engine on this machine.
    #[command(after_help = "Example:\n  zkaggle bench --keys keys accuracy release\n  zkaggle bench bitswap")]
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for everything the story leaves behind; `zkaggle-demo`, or the next free number, by default.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Play on this development chain (anvil) instead of the embedded one.
    #[arg(long, value_name = "URL")]
    pub rpc_url: Option<String>,
    /// Publish and fetch through this Kubo RPC endpoint.
    #[arg(long, value_name = "URL")]
    pub ipfs_api: Option<String>,
    /// Use only the first N samples of the hold-out (at least 64).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=360))]
    pub samples: Option<u32>,
}

#[derive(Debug, Args)]
pub struct DevnetArgs {
    /// Port on the loopback interface; 0 picks one.
    #[arg(long, default_value_t = 8545)]
    pub port: u16,
    /// Write the addresses of the contracts here.
    #[arg(long, value_name = "FILE")]
    pub deployment: Option<PathBuf>,
}

/// Where the password comes from: never from the command line or the environment itself.
#[derive(Clone, Debug, Default, Args)]
pub struct PasswordArgs {
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", env = "ZKAGGLE_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The node's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// What the node is for.
    #[arg(long, value_enum, default_value_t = RoleArg::Hunter)]
    pub role: RoleArg,
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleArg {
    Provider,
    Hunter,
}

impl RoleArg {
    /// The role's name in settings and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Hunter => "hunter",
        }
    }
}

#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// The node's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Configuration file; `config.toml` in the folder by default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the node is for; the configuration's role by default.
    #[arg(long, value_enum)]
    pub role: Option<RoleArg>,
    /// Provider: post and see through this bounty.
    #[arg(long, value_name = "FILE")]
    pub bounty: Option<PathBuf>,
    /// Hunter: enter with this model, in slot 0 of each bounty; given twice, with the second one in slot 1.
    #[arg(long, value_name = "FILE")]
    pub model: Vec<PathBuf>,
    /// Hunter: have the prizes and stakes of entries made now owed to this account, which withdraws them itself.
    #[arg(long, value_name = "ADDRESS", value_parser = account)]
    pub payout: Option<Address>,
    /// A JSON-RPC endpoint of the chain; repeatable, the next one stands in when one fails.
    #[arg(long, value_name = "URL")]
    pub rpc_url: Vec<String>,
    /// Addresses of the contracts.
    #[arg(long, value_name = "FILE")]
    pub deployment: Option<PathBuf>,
    /// Peer to connect to, as `/ip4/…/tcp/…/p2p/…`; repeatable.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
    /// End when every bounty this node cares for is over and withdrawn.
    #[arg(long)]
    pub until_done: bool,
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// An account that somebody can have: what is owed to the zero address is lost.
pub fn account(text: &str) -> Result<Address, String> {
    match text.parse::<Address>() {
        Ok(a) if a.is_zero() => Err("the zero address is nobody's".into()),
        Ok(a) => Ok(a),
        Err(e) => Err(e.to_string()),
    }
}

#[derive(Debug, Args)]
pub struct DatasetArgs {
    #[command(subcommand)]
    pub command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// Turn images, arrays or tables into shards of records, name each by its CID, write the manifest.
    #[command(
        after_help = "Examples:\n  zkaggle dataset import digits/ --name \"My digits\" --licence \"CC0-1.0\" --split 80:20 --seed 7 --dir ~/.zkaggle\n  zkaggle dataset import train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \\\n    --name MNIST --licence \"CC BY-SA 3.0\" --dir ~/.zkaggle\n  zkaggle dataset import digits-holdout.bin --shape 8,8 --max 16 --classes 10 \\\n    --name \"UCI digits\" --licence \"CC BY 4.0\" --dir ~/.zkaggle --sealed\n  zkaggle dataset import weather.csv --type i16 --scale auto --name weather --licence CC0-1.0 --dir ~/.zkaggle"
    )]
    Import(Box<ImportArgs>),
    /// Write a dataset as a CAR archive that any IPFS node imports.
    Export(ExportArgs),
    /// Fetch a dataset, or any IPFS file or folder, block by block from whoever has it; run again, it continues.
    #[command(
        after_help = "Example:\n  zkaggle dataset fetch bafkrei… --dir ~/.zkaggle --peer /ip4/192.0.2.7/tcp/4101/p2p/12D3KooW…"
    )]
    Fetch(super::dataset_fetch::FetchArgs),
    /// Record on chain which shards a dataset's folder names, for those who have none of its blocks.
    ///
    /// Everything below the root is hashed here first. What recording takes is said before anything is sent.
    #[command(
        after_help = "Example:\n  zkaggle dataset link bafybei… --dir ~/.zkaggle --dry-run\n  zkaggle bounty show 7 --root bafybei… --deployment deployment.json"
    )]
    Link(super::dataset_link::LinkArgs),
    /// Prove that the shards' CIDs and commitments name the same bytes; run again, it continues.
    #[command(
        after_help = "Example:\n  zkaggle dataset prove bafkrei… --dir ~/.zkaggle --out proofs --max-memory 3GiB"
    )]
    Prove(super::dataset_prove::ProveArgs),
    /// Check that proof files hold and cover every shard of a dataset.
    #[command(after_help = "Example:\n  zkaggle dataset verify bafkrei… --dir ~/.zkaggle --proofs proofs")]
    Verify(super::dataset_prove::VerifyDatasetArgs),
    /// List the shards of a dataset in a node's folder, and who holds them.
    Show(super::dataset::ShowArgs),
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    pub command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Quantise an ONNX network to int8 and write it as a model file (secret) and an architecture file (public).
    #[command(
        after_help = "Example:\n  zkaggle model import digits-mlp.onnx --calibrate digits-train.bin --shape 8,8 --max 16 \\\n    --classes 10 --samples 360 --out digits.zkm --arch digits.graph"
    )]
    Import(ModelImportArgs),
    /// Print a model's architecture, identity and what proving it costs, layer by layer; no weight is shown.
    Show(ModelShowArgs),
    /// Evaluate a model on records, exactly as it would be proved.
    Eval(ModelEvalArgs),
}

#[derive(Debug, Args)]
pub struct ModelShowArgs {
    /// Model file (`.zkm`) or architecture file.
    pub file: PathBuf,
    /// Print the graph's text alone: what archId hashes.
    #[arg(long)]
    pub graph: bool,
    /// Write a picture of the graph.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Records in the batch whose cost is listed; by default a full shard.
    #[arg(long, value_name = "N")]
    pub records: Option<u64>,
}

#[derive(Debug, Args)]
pub struct ModelEvalArgs {
    /// Model file (`.zkm`).
    pub file: PathBuf,
    /// Records, in the layout of `dataset import`.
    #[arg(long, value_name = "FILE")]
    pub records: PathBuf,
    /// accuracy, top-K, macro-f1, mae or mse, in integers alone.
    #[arg(long, default_value = "accuracy")]
    pub metric: String,
}

#[derive(Debug, Args)]
pub struct ModelImportArgs {
    /// ONNX or Keras file (`.onnx`, `.keras`, `.h5`).
    pub file: PathBuf,
    /// Records to calibrate on: training data, never the hold-out.
    #[arg(long, value_name = "FILE")]
    pub calibrate: PathBuf,
    /// Records to report accuracy on, besides the calibration records.
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Shape of one sample, such as `8,8`.
    #[arg(long, value_delimiter = ',', required = true)]
    pub shape: Vec<u32>,
    /// How features are written: u8, or i16 for signed measurements in tables.
    #[arg(long = "type", value_name = "TYPE", default_value_t = FeatureType::U8)]
    pub feature_type: FeatureType,
    /// Largest feature value, in magnitude; what the type holds by default.
    #[arg(long)]
    pub max: Option<u16>,
    /// Number of classes.
    #[arg(long)]
    pub classes: u16,
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// Most records in a shard the model will be proved on: part of the architecture.
    #[arg(long)]
    pub samples: u32,
    /// How scales follow from the calibration records: mse, min-max or percentile:P.
    #[arg(long, default_value = "mse")]
    pub method: String,
    /// Folder for the report on the test records (or the calibration records): text, JSON, SVG plots.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Model file to write; it holds the weights.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Architecture file to write, for bounties.
    #[arg(long, value_name = "FILE")]
    pub arch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Proof file.
    pub file: PathBuf,
    /// Keys folder.
    #[arg(long, default_value = "keys", value_name = "DIR")]
    pub keys: PathBuf,
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The node's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Backup file.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Folder to make; it must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// What the node is for, as in `zkaggle init`: the configuration is written new.
    #[arg(long, value_enum, default_value_t = RoleArg::Hunter)]
    pub role: RoleArg,
    #[command(flatten)]
    pub password: PasswordArgs,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure; everything by default.
    #[arg(value_enum)]
    pub what: Vec<BenchTarget>,
    /// Keys folder.
    #[arg(long, default_value = "keys", value_name = "DIR")]
    pub keys: PathBuf,
    /// Also prove the CIDs of 785,000 bytes, as 1,000 MNIST images have.
    #[arg(long)]
    pub large: bool,
    /// Also prove the CIDs of 7,850,000 bytes, as 10,000 MNIST images have: eight proofs, minutes.
    #[arg(long)]
    pub huge: bool,
    /// Size of the file that is imported, in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1300))]
    pub size: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchTarget {
    /// A file cut and hashed, and records made into a dataset.
    Import,
    /// Accuracy of the digits network on 360 images.
    Accuracy,
    /// CID of the 360 images' block.
    Cid,
    /// Release of the digits network.
    Release,
    /// Integer evaluation of LeNet-5, and quantisation of a network of 5 million parameters.
    Model,
    /// A file between two nodes, and between two Kubo daemons where there is Kubo.
    Bitswap,
}
