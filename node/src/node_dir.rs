//! A node's folder.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Name of a node's configuration in its folder.
pub const CONFIG_FILE: &str = "config.toml";

/// Name of the folder of blocks in it.
pub const BLOCKS: &str = "blocks";

/// Where a node keeps its files; every folder exists and is private to the user.
#[derive(Clone, Debug)]
pub struct NodeDir {
    root: PathBuf,
}

impl NodeDir {
    /// Opens or creates the folder tree.
    pub fn open(root: &Path) -> Result<Self> {
        let me = Self { root: root.to_owned() };
        for d in [
            me.root.clone(),
            me.records(),
            me.claims(),
            me.models(),
            me.opened(),
            me.proofs(),
            me.blocks(),
        ] {
            private_dir(&d).with_context(|| format!("create {}", d.display()))?;
        }
        Ok(me)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The node's configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// The sealed seed.
    pub fn seed(&self) -> PathBuf {
        self.root.join("seed.sealed")
    }

    /// Checksummed records of entries: part of a backup.
    pub fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// Large claims as they were proved, until they are settled.
    pub fn claims(&self) -> PathBuf {
        self.root.join("claims")
    }

    /// Committed models: part of a backup.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Transactions under way, written down before they are sent.
    pub fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    /// Models opened from claims.
    pub fn opened(&self) -> PathBuf {
        self.root.join("opened")
    }

    pub fn proofs(&self) -> PathBuf {
        self.root.join("proofs")
    }

    pub fn blocks(&self) -> PathBuf {
        self.root.join(BLOCKS)
    }
}

fn private_dir(d: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if d.is_dir() {
        return std::fs::set_permissions(d, std::fs::Permissions::from_mode(0o700));
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(d)
}
