//! Fetching a whole DAG: a root and everything below it, many blocks at a time.
//!
//! A fetch that was interrupted continues: blocks that are here already are read, not asked for.

use std::{collections::BTreeSet, time::Duration};

use cid::Cid;
use libp2p::PeerId;
use tokio::task::JoinSet;
use zkaggle_ipld::walk::{Given, Item, Limits, Walk, WalkError};

use crate::{
    block::CheckedBlock,
    content::{Content, ContentError},
};

/// What a fetch may cost, and whom it asks.
#[derive(Clone, Debug)]
pub struct DagOptions {
    /// Peers to ask; none means any.
    pub from: BTreeSet<PeerId>,
    /// How large what one root names may be.
    pub limits: Limits,
    /// Blocks under way at once: with 256 KiB blocks, 64 of them fill a line of 1 Gbit/s and 130 ms.
    pub parallel: usize,
    /// How long one block may take.
    pub patience: Duration,
}

impl Default for DagOptions {
    fn default() -> Self {
        Self {
            from: BTreeSet::new(),
            limits: Limits::default(),
            parallel: 64,
            patience: Duration::from_secs(60),
        }
    }
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DagProgress {
    /// Blocks that are here and checked.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that were here before.
    pub resumed: u64,
    /// Files found so far, and their bytes as their roots state them.
    pub files: u64,
    pub file_bytes: u64,
    /// Blocks under way.
    pub pending: u64,
}

/// Why a DAG could not be fetched; what has arrived stays, and the next fetch continues from it.
#[derive(Debug, thiserror::Error)]
pub enum DagError {
    #[error("{path:?} ({cid}): {source}")]
    Block {
        path: String,
        cid: Cid,
        #[source]
        source: ContentError,
    },
    #[error(transparent)]
    Walk(#[from] WalkError),
}

impl Content {
    /// Fetches everything below `roots` into the store, calling `progress` after each block with its name and place.
    ///
    /// Each root has the limits to itself; a tree is walked depth first, so that what waits stays small.
    ///
    /// # Errors
    /// [`DagError::Walk`] when a node is malformed, lies about its size or exceeds a limit; [`DagError::Block`]
    /// when a block cannot be had.
    pub async fn fetch_dag(
        &self,
        roots: &[Cid],
        options: &DagOptions,
        mut progress: impl FnMut(&Item, &DagProgress),
    ) -> Result<DagProgress, DagError> {
        let mut walks = Vec::with_capacity(roots.len());
        for root in roots.iter().rev() {
            walks.push(Walk::new(*root, options.limits)?);
        }
        let mut done = DagProgress::default();
        let mut flying: JoinSet<(usize, Item, bool, Result<CheckedBlock, ContentError>)> = JoinSet::new();
        // Walks before this one are not begun, so that of a thousand roots a few at a time are under way.
        let mut open = walks.len();
        loop {
            while flying.len() < options.parallel.max(1) {
                let begun = walks.iter_mut().enumerate().skip(open);
                let next = begun.rev().find_map(|(index, walk)| Some((index, walk.next()?)));
                match next {
                    Some((index, item)) => {
                        let (content, from, patience) = (self.clone(), options.from.clone(), options.patience);
                        flying.spawn(async move {
                            let here = content.store().has(&item.cid);
                            let block = content.fetch_block(item.cid, &from, patience).await;
                            (index, item, here, block)
                        });
                    }
                    None if open > 0 => open -= 1,
                    None => break,
                }
            }
            let Some(joined) = flying.join_next().await else {
                return Ok(done);
            };
            let (index, item, here, block) = match joined {
                Ok(done) => done,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // Only dropping the set cancels, and it is dropped with this future.
                Err(_) => continue,
            };
            let block = block.map_err(|source| DagError::Block {
                path: item.path.clone(),
                cid: item.cid,
                source,
            })?;
            if let Given::File { size, .. } = walks[index].give_checked(&item, block.bytes())? {
                done.files += 1;
                done.file_bytes = done.file_bytes.saturating_add(size);
            }
            done.blocks += 1;
            done.bytes += block.bytes().len() as u64;
            done.resumed += u64::from(here);
            done.pending = flying.len() as u64;
            progress(&item, &done);
        }
    }
}
