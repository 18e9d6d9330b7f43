//! `zkaggle verify`: a proof from its file and the keys folder alone.

use super::args::VerifyArgs;
use super::output::Output;
use crate::failure::Failure;
use crate::proof_file::{EntryFile, ProofFile, ShardFile, Statement};
use crate::prover::{cid, keys};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use zkaggle_circuits::backend::halo2;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::statements::release;
use zkaggle_graph::dataset::{digest_of, parse_cid};
use zkaggle_graph::field::{Fr, to_be_bytes};
use zkaggle_graph::graph::CapacityClass;
use zkaggle_graph::ids::{Entry, Role, VkId};

pub async fn run(args: VerifyArgs, out: Output) -> Result<()> {
    let file = ProofFile::read(&args.file)?;
    let said = verify(&file, &args.keys).with_context(|| format!("{} is refused", args.file.display()))?;
    let note = if file.development {
        "\nThe key comes from a DEVELOPMENT set-up: its trapdoor is public, so outside a test this proves nothing."
    } else {
        ""
    };
    out.print(
        &json!({ "valid": true, "development": file.development, "vk_id": VkId(file.vk_id).to_string(), "says": said }),
        &format!("valid: {said}{note}"),
    )
}

/// Checks a proof file; returns what it establishes, in words.
pub fn verify(file: &ProofFile, dir: &Path) -> Result<String> {
    let vk_id = VkId(file.vk_id);
    let x = file.statement.public_inputs();
    match &file.statement {
        Statement::Cid { shards } => {
            // The key follows from the SRS and the published constants: no file is needed.
            let key = cid::key(&SrsPoints::development())?;
            if key.vk_id != vk_id {
                return Err(Failure::refused(format!(
                    "the proof names the key {vk_id}, this version's dataset key is {}",
                    key.vk_id
                )));
            }
            let mut said = vec![];
            for ShardFile { cid, instance } in shards {
                let named = parse_cid(cid).and_then(|cid| digest_of(&cid)).map_err(refuse)?;
                if named != instance.digest {
                    return Err(Failure::refused(format!(
                        "the CID {cid} in the file is not that of the proved digest"
                    )));
                }
                said.push(format!(
                    "the {} bytes behind {cid} have the shard commitment {}",
                    instance.length,
                    hex(&instance.shard)
                ));
            }
            cid::verify(&key.key, shards.iter().map(|s| &s.instance), &file.proof)?;
            development(file, key.development)?;
            Ok(said.join("; "))
        }
        Statement::Accuracy { entry, instance } => {
            let key = keys::load(dir, vk_id, Role::Score)?;
            bound(entry, vk_id, &instance.ctx)?;
            halo2::verify(&key.srs, &key.vk, &x, &file.proof).map_err(refuse)?;
            development(file, key.srs.is_development())?;
            Ok(format!(
                "the model committed as {} predicts {} of {} labels of the shard {}; entry of 0x{} in bounty {} of market 0x{} on chain {}",
                hex(&instance.model),
                instance.score,
                instance.n,
                hex(&instance.shard),
                hex::encode(entry.hunter),
                entry.bounty,
                hex::encode(entry.market),
                entry.chain_id
            ))
        }
        Statement::Release {
            entry,
            instance,
            ciphertext,
        } => {
            bound(entry, VkId(entry.score_vk_id), &instance.ctx)?;
            let words = release::ciphertext_words(ciphertext).map_err(refuse)?;
            let class = CapacityClass::ALL
                .into_iter()
                .find(|c| c.message_words() == words.len())
                .ok_or_else(|| Failure::refused(format!("{} ciphertext words fit no capacity class", words.len())))?;
            let (derived, key) = keys::release(dir, class)?;
            if derived != vk_id {
                return Err(Failure::refused(format!(
                    "the keys folder's release key is {derived}, the proof names {vk_id}"
                )));
            }
            release::check_ciphertext(class, instance, vk_id, &words).map_err(refuse)?;
            key.verify(instance, &file.proof).map_err(refuse)?;
            development(file, key.is_development())?;
            Ok(format!(
                "the {} bytes of ciphertext hold the model committed as {}, readable with the provider's key alone",
                ciphertext.len(),
                hex(&instance.model)
            ))
        }
    }
}

/// The context in the statement must be that of the entry the file names.
fn bound(entry: &EntryFile, vk_id: VkId, ctx: &Fr) -> Result<()> {
    if entry.score_vk_id != vk_id.0 {
        return Err(Failure::refused("the entry names another key than the proof"));
    }
    if Entry::from(entry).ctx() != *ctx {
        return Err(Failure::refused(
            "the proof belongs to another entry than the file says",
        ));
    }
    Ok(())
}

fn development(file: &ProofFile, key: bool) -> Result<()> {
    if file.development != key {
        return Err(Failure::refused("the file's development mark is not its key's"));
    }
    Ok(())
}

/// A file whose content cannot be what it says is refused like one whose proof is wrong.
fn refuse(e: impl std::fmt::Display) -> anyhow::Error {
    Failure::refused(e.to_string())
}

fn hex(x: &Fr) -> String {
    format!("0x{}", hex::encode(to_be_bytes(x)))
}
