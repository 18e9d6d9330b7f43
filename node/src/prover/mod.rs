//! Keys and proofs for a node: the only caller of the proving backends.
//!
//! Keys are made once per shape and shared; the development SRS and the Groth16 keys are cached in
//! the keys folder. One proof runs at a time, on a blocking thread: two would take the same time and
//! twice the memory.

pub mod cid;
pub mod identity;
pub mod keys;

use crate::chain::keys::KeyData;
use crate::failure::Failure;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zkaggle_circuits::accuracy::{self, ScoreKey};
use zkaggle_circuits::backend::Halo2Vk;
use zkaggle_circuits::backend::groth16::ReleaseKey;
use zkaggle_circuits::backend::srs::{Srs, SrsPoints};
use zkaggle_circuits::evm;
use zkaggle_circuits::statements::accuracy::{AccuracyInstance, AccuracyWitness};
use zkaggle_circuits::statements::release::{ReleaseInstance, ReleaseWitness};
use zkaggle_graph::dataset::cid::{digest_of, raw_cid};
use zkaggle_graph::graph::{CapacityClass, Graph};
use zkaggle_graph::ids::{Role, VkId};

/// A key with its identity.
#[derive(Debug)]
pub struct Keyed<K> {
    pub key: K,
    pub vk_id: VkId,
    pub data: KeyData,
    /// Made from a set-up whose trapdoor is public.
    pub development: bool,
}

impl Keyed<ReleaseKey> {
    /// Words of the ciphertext that a claim under this key delivers.
    pub fn ciphertext_words(&self) -> usize {
        let mut words = [0; 8];
        words.copy_from_slice(&self.data.link[24..]);
        usize::try_from(u64::from_be_bytes(words)).unwrap_or(usize::MAX)
    }
}

type Cache<I, K> = Mutex<BTreeMap<I, Arc<Keyed<K>>>>;

/// The right to prove, one at a time.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Makes keys and proofs; shared by every role of a process.
pub struct Prover {
    dir: PathBuf,
    srs: Mutex<Option<Arc<Srs>>>,
    score: Cache<String, ScoreKey>,
    release: Cache<CapacityClass, ReleaseKey>,
    gate: Arc<Semaphore>,
    /// Least words of a ciphertext: see [`Prover::open_padded`].
    padded: usize,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn held<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prover {
    /// Uses `dir` for the SRS and key caches; creates it.
    pub fn open(dir: &Path) -> Result<Arc<Self>> {
        Self::open_padded(dir, 0)
    }

    /// As [`Prover::open`], with release keys that ask for ciphertexts of at least so many words: those
    /// beyond the class are zero, as z and y settle. It lets a small model take the way of a large one;
    /// every node of such a market must say the same, for the number is part of each key's identity.
    pub fn open_padded(dir: &Path, words: usize) -> Result<Arc<Self>> {
        std::fs::create_dir_all(dir).with_context(|| format!("create the keys folder {}", dir.display()))?;
        Ok(Arc::new(Self {
            dir: dir.to_owned(),
            srs: Mutex::default(),
            score: Mutex::default(),
            release: Mutex::default(),
            gate: Arc::new(Semaphore::new(1)),
            padded: words,
        }))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The SRS for at least `2^k` rows. Blocking.
    fn srs(&self, k: u32) -> Result<Arc<Srs>> {
        let mut slot = held(&self.srs);
        if let Some(srs) = slot.as_ref().filter(|s| s.k() >= k) {
            return Ok(srs.clone());
        }
        let srs = Arc::new(Srs::load_or_create(&self.dir, k).context("load the SRS")?);
        *slot = Some(srs.clone());
        Ok(srs)
    }

    /// Waits until nothing else is being proved. Taken before a step is timed, so that its seconds are
    /// its own. Never hold a turn while asking for a key: making one takes a turn as well.
    pub async fn turn(&self) -> Result<Turn> {
        let permit = self.gate.clone().acquire_owned().await;
        Ok(Turn {
            _permit: permit.context("the prover is shut down")?,
        })
    }

    /// Runs `work` on a blocking thread, one at a time.
    async fn alone<T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let me = self.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&me)
        })
        .await
        .context("the prover's thread ended without an answer")?
    }

    /// The release key of a capacity class.
    pub async fn release_key(self: &Arc<Self>, class: CapacityClass) -> Result<Arc<Keyed<ReleaseKey>>> {
        self.alone(self.turn().await?, move |p| p.release_blocking(class)).await
    }

    fn release_blocking(&self, class: CapacityClass) -> Result<Arc<Keyed<ReleaseKey>>> {
        if let Some(k) = held(&self.release).get(&class) {
            return Ok(k.clone());
        }
        let key = ReleaseKey::load_or_setup(&self.dir, class).context("load the release key")?;
        let cs = identity::code_hash(Role::Release, &SrsPoints::development())?;
        let words = class.message_words().max(self.padded);
        let mut link = [0u8; 32];
        link[24..].copy_from_slice(&(words as u64).to_be_bytes());
        // The key holds its whole set-up: its SRS identity is zero.
        let vk_id = VkId::new(Role::Release, cs, [0; 32], &key.evm_key(), link);
        let info = format!("release, {} bytes of weights", class.bytes());
        let data = KeyData {
            role: Role::Release,
            bytes: key.evm_key(),
            link,
            vk_id,
            architecture: [0; 32],
            info,
        };
        key.verifying_key()
            .write(&self.dir.join(keys::release_file(class)))
            .context("write the release key file")?;
        let development = key.is_development();
        let out = Arc::new(Keyed {
            key,
            vk_id,
            data,
            development,
        });
        held(&self.release).insert(class, out.clone());
        Ok(out)
    }

    /// The score key of a graph; its link is the release key of the graph's class.
    pub async fn score_key(self: &Arc<Self>, graph: &Graph) -> Result<Arc<Keyed<ScoreKey>>> {
        let graph = graph.clone();
        self.alone(self.turn().await?, move |p| p.score_blocking(&graph)).await
    }

    fn score_blocking(&self, graph: &Graph) -> Result<Arc<Keyed<ScoreKey>>> {
        let text = graph.text();
        if let Some(k) = held(&self.score).get(&text) {
            return Ok(k.clone());
        }
        let release = self.release_blocking(graph.class()?)?;
        let srs = self.srs(accuracy::k_for(graph)?)?;
        let key = ScoreKey::setup(&srs, graph).context("make the score key")?;
        let shape = text.clone().into_bytes();
        let (data, development) = self.keyed(Role::Score, &srs, key.vk(), release.vk_id.0, shape, text.clone())?;
        let out = Arc::new(Keyed {
            key,
            vk_id: data.vk_id,
            data,
            development,
        });
        held(&self.score).insert(text, out.clone());
        Ok(out)
    }

    /// Identity, chain bytes and key file of a halo2 key.
    fn keyed(
        &self,
        role: Role,
        srs: &Srs,
        vk: &Halo2Vk,
        link: [u8; 32],
        shape: Vec<u8>,
        info: String,
    ) -> Result<(KeyData, bool)> {
        let bytes = evm::compile(vk).context("compile the key for the chain")?.into_bytes();
        let cs = identity::code_hash(role, srs.points())?;
        let vk_id = VkId::new(role, cs, srs.id(), &bytes, link);
        let architecture = match role {
            Role::Score => digest_of(&raw_cid(&shape))?,
            Role::Dataset | Role::Release | Role::Mint => [0; 32],
        };
        keys::write(&self.dir, vk_id, role, srs.points(), shape, &bytes, vk)?;
        Ok((
            KeyData {
                role,
                bytes,
                link,
                vk_id,
                architecture,
                info,
            },
            srs.is_development(),
        ))
    }

    /// Proves a model's accuracy on a shard.
    pub async fn prove_accuracy(
        self: &Arc<Self>,
        turn: Turn,
        key: Arc<Keyed<ScoreKey>>,
        x: AccuracyInstance,
        w: AccuracyWitness,
    ) -> Result<Vec<u8>> {
        self.alone(turn, move |p| {
            let srs = p.srs(key.key.vk().k())?;
            let proof = key.key.prove(&srs, &x, &w, rand::rngs::OsRng)?;
            key.key
                .verify(srs.points(), &x, &proof)
                .context("our own accuracy proof does not verify")?;
            Ok(proof)
        })
        .await
    }

    /// Proves that a ciphertext holds a committed model.
    pub async fn prove_release(
        self: &Arc<Self>,
        turn: Turn,
        key: Arc<Keyed<ReleaseKey>>,
        x: ReleaseInstance,
        w: ReleaseWitness,
    ) -> Result<Vec<u8>> {
        self.alone(turn, move |_| {
            let proof = key.key.prove(&x, &w, &mut rand::rngs::OsRng)?;
            key.key
                .verify(&x, &proof)
                .context("our own release proof does not verify")?;
            Ok(proof)
        })
        .await
    }

    /// Refuses a development key off development chains.
    pub fn check_development(development: bool, chain_id: u64) -> Result<()> {
        if development && !crate::chain::client::is_development(chain_id) {
            return Err(Failure::refused(format!(
                "this key comes from a development set-up whose trapdoor is public; chain {chain_id} is no development chain"
            )));
        }
        Ok(())
    }
}
