//! Layers, places, and one bad file per rule with the message it earns.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use zkaggle_config::units::{ByteSize, Seconds, Wei};
use zkaggle_config::{Backend, Config, ConfigError, DEFAULTS, KEYS, Loader, Place, Role};

fn load(text: &str) -> Result<Config, ConfigError> {
    let mut loader = Loader::new()?;
    loader.text(text, Path::new("/home/node/config.toml"))?;
    loader.finish()
}

fn environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut loader = Loader::new()?;
    loader.environment(
        variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )?;
    loader.finish()
}

#[test]
fn the_defaults_are_complete_and_each_is_explained() {
    let mut section = String::new();
    let mut seen = Vec::new();
    let mut explained = false;
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(explained, "{key} has no comment right above it");
            seen.push(format!("{section}.{key}"));
        }
        explained = line.starts_with("# ");
    }
    assert_eq!(seen, KEYS, "default.toml and the list of settings differ");

    let config = Loader::new().unwrap().finish().unwrap();
    assert_eq!(config.node.role, Role::Hunter);
    assert_eq!(config.chain.id, 31_337);
    assert_eq!(config.chain.max_fee, Wei(100_000_000_000));
    assert_eq!(config.prover.max_memory, ByteSize(4 << 30));
    assert_eq!(config.ipfs.kubo_url(), None);
    assert!(config.chain.rpc_urls().unwrap().is_empty());
}

#[test]
fn what_is_shown_loads_again() {
    let config = load(
        "[node]\nrole = \"provider\"\n[store]\ndir = \"index\"\n[ipfs]\nbackend = \"kubo\"\napi_url = \"http://127.0.0.1:5001\"\n\
         [chain]\nrpc_url = [\"http://127.0.0.1:8545\", \"http://127.0.0.1:8546\"]\nmax_fee = \"1.5 gwei\"\npoll = \"90 s\"\ndeployment = \"chain/d.json\"\n\
         [prover]\nmax_memory = \"1.5 GiB\"\nkeys_dir = \"/keys\"\n",
    )
    .unwrap();
    assert_eq!(config.chain.deployment, Some("/home/node/chain/d.json".into()));
    assert_eq!(config.ipfs.kubo_url(), Some("http://127.0.0.1:5001"));
    let mut loader = Loader::new().unwrap();
    for (key, value) in config.entries() {
        let (section, field) = key.split_once('.').unwrap();
        loader
            .text(&format!("[{section}]\n{field} = {value}\n"), Path::new("/again.toml"))
            .unwrap();
    }
    assert_eq!(loader.finish().unwrap(), config);
}

#[test]
fn later_layers_win_and_places_are_remembered() {
    let mut loader = Loader::new().unwrap();
    assert!(matches!(loader.place("chain.poll"), Place::Defaults { line } if line > 1));
    loader
        .text("[chain]\npoll = \"3 s\"\nid = 1337\n", Path::new("a.toml"))
        .unwrap();
    assert_eq!(loader.place("chain.poll").to_string(), "a.toml:2");
    loader
        .environment([("ZKAGGLE_CHAIN__POLL".into(), "4 s".into())])
        .unwrap();
    assert_eq!(loader.place("chain.poll").to_string(), "ZKAGGLE_CHAIN__POLL");
    loader.set("chain.poll", "5 s", "--poll").unwrap();
    assert_eq!(loader.place("chain.poll").to_string(), "--poll");
    let config = loader.finish().unwrap();
    assert_eq!((config.chain.poll, config.chain.id), (Seconds(5), 1_337));
}

#[test]
fn the_environment_speaks_every_type() {
    let config = environment(&[
        ("ZKAGGLE_CHAIN__ID", "1"),
        ("ZKAGGLE_CHAIN__PRODUCTION_OPT_IN", "true"),
        ("ZKAGGLE_CHAIN__RPC_URL", "http://a.example, https://b.example/KEY"),
        ("ZKAGGLE_CHAIN__DEPLOYMENT", "d.json"),
        ("ZKAGGLE_IPFS__BACKEND", "embedded"),
        ("ZKAGGLE_IPFS__API_URL", ""),
        ("ZKAGGLE_PASSWORD_FILE", "/not/a/setting"),
        ("HOME", "/"),
    ])
    .unwrap();
    let urls = config.chain.rpc_urls().unwrap();
    assert_eq!((urls.len(), urls[0].expose()), (2, "http://a.example"));
    assert_eq!(
        config.chain.deployment,
        Some("d.json".into()),
        "relative to the working directory"
    );
    assert_eq!(config.ipfs.backend, Backend::Embedded);

    let error = |name, value| environment(&[(name, value)]).unwrap_err().to_string();
    assert_eq!(
        error("ZKAGGLE_CHAIN__RPC_URLS", "x"),
        "ZKAGGLE_CHAIN__RPC_URLS: there is no setting chain.rpc_urls; did you mean chain.rpc_url?"
    );
    assert!(error("ZKAGGLE_CHAIN_RPC_URL", "x").ends_with("did you mean ZKAGGLE_CHAIN__RPC_URL?"));
    assert!(error("ZKAGGLE_CHAIN__POLL", "2").starts_with("ZKAGGLE_CHAIN__POLL: chain.poll expects a duration"));
    assert!(!error("ZKAGGLE_CHAIN__RPC_URL", "SECRET").contains("SECRET"));
    let mut loader = Loader::new().unwrap();
    let wrong = loader
        .set_list("chain.rpc_url", &["http://a".into(), "b".into()], "--rpc-url")
        .unwrap_err();
    assert!(wrong.to_string().starts_with("--rpc-url: chain.rpc_url expects"));
    loader
        .set_list("chain.rpc_url", &["http://a".into(), "http://b".into()], "--rpc-url")
        .unwrap();
    assert_eq!(loader.finish().unwrap().chain.rpc_url.len(), 2);
}

#[test]
fn endpoints_come_from_a_file_and_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let config_file = folder.path().join("config.toml");
    let endpoints = folder.path().join("endpoints");
    fs::write(&config_file, "[chain]\nrpc_url_file = \"endpoints\"\n").unwrap();
    let load = || {
        let mut loader = Loader::new().unwrap();
        loader.file(&config_file).unwrap();
        loader.finish().unwrap()
    };
    assert!(matches!(load().chain.rpc_urls(), Err(ConfigError::Read { path, .. }) if path == endpoints));
    fs::write(
        &endpoints,
        "# mine\n\nhttps://rpc.example.org/SECRET\n http://127.0.0.1:8545 \n",
    )
    .unwrap();
    let config = load();
    let urls = config.chain.rpc_urls().unwrap();
    assert_eq!(urls[0].expose(), "https://rpc.example.org/SECRET");
    assert_eq!(urls[1].expose(), "http://127.0.0.1:8545");
    assert!(!format!("{config:?}{urls:?}").contains("SECRET"));
    fs::write(&endpoints, "http://a\nSECRET\n").unwrap();
    let error = load().chain.rpc_urls().unwrap_err().to_string();
    assert!(
        error.contains("endpoints:2: a URL begins with") && !error.contains("SECRET"),
        "{error}"
    );
    fs::write(&endpoints, "# none\n").unwrap();
    assert!(load().chain.rpc_urls().unwrap_err().to_string().contains("no endpoint"));
}

#[test]
fn files_that_are_no_config() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert!(matches!(Config::load(&path), Err(ConfigError::Read { .. })));
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::Read { .. })));
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
}

/// Each file in `bad/` says in its first line what it earns.
#[test]
fn each_bad_file_earns_its_message() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut messages = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let want = text
            .lines()
            .next()
            .and_then(|l| l.strip_prefix("# expect: "))
            .expect("a first line that says so");
        let name = Path::new(path.file_name().unwrap());
        let mut loader = Loader::new().unwrap();
        let got = loader
            .text(&text, name)
            .and_then(|()| loader.finish())
            .expect_err(want)
            .to_string();
        assert!(got.starts_with(want), "{}\n  want {want}\n  got  {got}", name.display());
        assert!(!got.contains("SECRET"), "{got}");
        messages.insert(want.to_owned());
    }
    assert!(messages.len() >= 32, "only {} bad files were found", messages.len());
}
