//! Verifying keys as files in the keys folder, so that a proof is checked from its file and this
//! folder alone.
//!
//! A file is trusted for nothing: its name is a vkId, and a reader derives that vkId again from the
//! code hash of the verifier contract, the SRS and the key bytes, which it compiles from the halo2
//! key it is about to use.

use super::identity;
use crate::failure::Failure;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use zkaggle_circuits::accuracy::AccuracyCircuit;
use zkaggle_circuits::backend::Halo2Vk;
use zkaggle_circuits::backend::groth16::ReleaseVerifyingKey;
use zkaggle_circuits::backend::keys::VkFile;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::evm;
use zkaggle_graph::graph::{CapacityClass, Graph};
use zkaggle_graph::ids::{Role, VkId};

/// File of a halo2 verifying key.
pub fn file(dir: &Path, vk_id: VkId) -> PathBuf {
    dir.join(format!("{}.vk", hex::encode(vk_id.0)))
}

/// File of a class's release verifying key.
pub fn release_file(class: CapacityClass) -> String {
    format!("release-{}.vk", class.bytes())
}

/// Writes a halo2 verifying key unless it is there already.
pub fn write(
    dir: &Path,
    vk_id: VkId,
    role: Role,
    srs: &SrsPoints,
    shape: Vec<u8>,
    key: &[u8],
    vk: &Halo2Vk,
) -> Result<()> {
    let path = file(dir, vk_id);
    if path.exists() {
        return Ok(());
    }
    let out = VkFile {
        role,
        srs_kind: srs.kind(),
        srs_id: srs.id(),
        shape,
        key: key.to_vec(),
        vk: vk.to_bytes(),
    };
    out.store(&path)
        .with_context(|| format!("write the key file {}", path.display()))
}

/// A verifying key whose identity has been derived again.
#[derive(Debug)]
pub struct Verifying {
    pub vk: Halo2Vk,
    pub srs: SrsPoints,
    /// Score keys: the architecture.
    pub graph: Option<Graph>,
}

/// Loads the key named `vk_id` for `role`.
///
/// # Errors
/// Not found, damaged, of another role, or of another identity than its name.
pub fn load(dir: &Path, vk_id: VkId, role: Role) -> Result<Verifying> {
    let path = file(dir, vk_id);
    if !path.exists() {
        return Err(Failure::not_found(format!(
            "no key {vk_id} in {}; give the --keys folder the proof was made with",
            dir.display()
        )));
    }
    let f = VkFile::load(&path)?;
    let refuse = |what: &str| Failure::refused(format!("key file {}: {what}", path.display()));
    if f.role != role {
        return Err(refuse(&format!(
            "it is a {:?} key, the proof needs a {role:?} key",
            f.role
        )));
    }
    // Only the development SRS is known to this version by its points; another one's τ·G2 would have
    // to be read from its powers-of-tau file.
    let srs = SrsPoints::development();
    if f.srs_id != srs.id() {
        return Err(refuse("it was made under an SRS this version does not hold"));
    }
    let (vk, graph, link) = match role {
        Role::Score => {
            let text = std::str::from_utf8(&f.shape).map_err(|e| refuse(&format!("its architecture: {e}")))?;
            let graph = Graph::parse(text).map_err(|e| refuse(&format!("its architecture: {e}")))?;
            let vk = Halo2Vk::from_bytes::<AccuracyCircuit>(&f.vk, ()).map_err(|e| refuse(&e))?;
            let link = release(dir, graph.class()?)?.0.0;
            (vk, Some(graph), link)
        }
        Role::Dataset | Role::Release | Role::Mint => return Err(refuse("not a halo2 key")),
    };
    let bytes = evm::compile(&vk).context("compile the key")?.into_bytes();
    let derived = VkId::new(role, identity::code_hash(role, &srs)?, srs.id(), &bytes, link);
    if derived != vk_id {
        return Err(refuse(&format!("its content is the key {derived}")));
    }
    Ok(Verifying { vk, srs, graph })
}

/// Loads the release key of a class, with its identity.
pub fn release(dir: &Path, class: CapacityClass) -> Result<(VkId, ReleaseVerifyingKey)> {
    let path = dir.join(release_file(class));
    if !path.exists() {
        return Err(Failure::not_found(format!("no release key {}", path.display())));
    }
    let key = ReleaseVerifyingKey::read(&path)?;
    Ok((
        key.vk_id(identity::code_hash(Role::Release, &SrsPoints::development())?),
        key,
    ))
}
