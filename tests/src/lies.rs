//! A valid proof file, changed in every way a reader must refuse.
//!
//! Each lie is consistent in itself where it can be: the public inputs written in the file are those
//! of the changed statement, so that what refuses it is a check of substance.

use zkaggle_graph::field::Fr;
use zkaggle_graph::ids::{Entry, VkId};
use zkaggle_node::proof_file::{ProofFile, Statement};

/// A changed file and what was changed.
#[derive(Debug)]
pub struct Lie {
    pub what: String,
    pub file: ProofFile,
}

/// Every lie about `honest`; `other` is a file of the same kind for another entry, where there is one.
pub fn about(honest: &ProofFile, other: Option<&ProofFile>) -> Vec<Lie> {
    let mut lies = Lies { honest, all: vec![] };
    lies.bytes();
    lies.frame();
    match &honest.statement {
        Statement::Cid { .. } => lies.cid(),
        Statement::Accuracy { .. } => lies.accuracy(),
        Statement::Release { .. } => lies.release(),
    }
    if let Some(other) = other {
        lies.another_entry(other);
    }
    lies.all
}

struct Lies<'a> {
    honest: &'a ProofFile,
    all: Vec<Lie>,
}

impl Lies<'_> {
    fn add(&mut self, what: impl Into<String>, change: impl FnOnce(&mut ProofFile)) {
        let mut file = self.honest.clone();
        change(&mut file);
        let what = what.into();
        assert_ne!(&file, self.honest, "{what}: nothing was changed");
        let file = ProofFile::new(file.development, VkId(file.vk_id), file.statement, file.proof);
        self.all.push(Lie { what, file });
    }

    fn bytes(&mut self) {
        let n = self.honest.proof.len();
        // First and last bytes of the points and scalars at both ends, and some between.
        for at in [0, 31, 32, n / 3, n / 2, 2 * n / 3, n - 32, n - 1] {
            for bit in [0x01, 0x80] {
                self.add(format!("bit {bit:#04x} of byte {at} flipped"), |f| f.proof[at] ^= bit);
            }
        }
        self.add("a trailing zero", |f| f.proof.push(0));
        self.add("32 trailing zeros", |f| f.proof.extend([0; 32]));
        self.add("the last byte cut off", |f| {
            f.proof.pop();
        });
        self.add("no proof at all", |f| f.proof.clear());
        self.add("zeros for a proof", |f| f.proof.fill(0));
    }

    fn frame(&mut self) {
        self.add("not marked as development", |f| f.development = !f.development);
    }

    fn cid(&mut self) {
        fn on(f: &mut ProofFile) -> (&mut String, &mut zkaggle_circuits::statements::cid::CidInstance) {
            match &mut f.statement {
                Statement::Cid { shards } => {
                    let first = &mut shards[0];
                    (&mut first.cid, &mut first.instance)
                }
                other => panic!("{other:?} is no CID statement"),
            }
        }
        self.add("a shard twice", |f| {
            if let Statement::Cid { shards } = &mut f.statement {
                shards.push(shards[0].clone());
            }
        });
        self.add("no shard", |f| {
            if let Statement::Cid { shards } = &mut f.statement {
                shards.clear();
            }
        });
        self.add("one bit of the digest", |f| on(f).1.digest[31] ^= 1);
        self.add("another block's digest and CID", |f| {
            let (cid, x) = on(f);
            x.digest = [7; 32];
            *cid = zkaggle_graph::dataset::cid::cid_of_digest(&x.digest).to_string();
        });
        self.add("another CID on the same digest", |f| {
            *on(f).0 = zkaggle_graph::dataset::cid::cid_of_digest(&[7; 32]).to_string();
        });
        self.add("no CID", |f| *on(f).0 = "bafy-no-such-thing".into());
        self.add("one byte more", |f| on(f).1.length += 1);
        self.add("one byte less", |f| on(f).1.length -= 1);
        self.add("another shard commitment", |f| on(f).1.shard += Fr::from(1u64));
    }

    fn accuracy(&mut self) {
        fn on(f: &mut ProofFile) -> &mut zkaggle_circuits::statements::accuracy::AccuracyInstance {
            match &mut f.statement {
                Statement::Accuracy { instance, .. } => instance,
                other => panic!("{other:?} is no accuracy statement"),
            }
        }
        self.add("one more correct", |f| on(f).score += 1);
        self.add("all correct", |f| {
            on(f).score = on(f).n + u32::from(on(f).score == on(f).n)
        });
        self.add("fewer samples", |f| on(f).n -= 1);
        self.add("another model", |f| on(f).model += Fr::from(1u64));
        self.add("another shard", |f| on(f).shard += Fr::from(1u64));
        self.add("another results hash", |f| on(f).results += Fr::from(1u64));
        self.entries();
    }

    fn release(&mut self) {
        fn on(
            f: &mut ProofFile,
        ) -> (
            &mut zkaggle_circuits::statements::release::ReleaseInstance,
            &mut Vec<u8>,
        ) {
            match &mut f.statement {
                Statement::Release {
                    instance, ciphertext, ..
                } => (instance, ciphertext),
                other => panic!("{other:?} is no release statement"),
            }
        }
        self.add("another model", |f| on(f).0.model += Fr::from(1u64));
        self.add("another provider's key", |f| on(f).0.pk = on(f).0.epk);
        self.add("another ephemeral key", |f| on(f).0.epk = on(f).0.pk);
        self.add("another evaluation point", |f| on(f).0.z += Fr::from(1u64));
        self.add("another evaluation", |f| on(f).0.y += Fr::from(1u64));
        self.add("a changed word of ciphertext", |f| on(f).1[31] ^= 1);
        self.add("a word of ciphertext cut off", |f| {
            let ciphertext = on(f).1;
            ciphertext.truncate(ciphertext.len() - 32);
        });
        self.add("a ciphertext that is no words", |f| on(f).1.push(0));
        self.entries();
    }

    /// The same proof, said to be for another chain, market, bounty, hunter or slot; once with the
    /// honest `ctx`, once with the `ctx` of the entry it is said to be for.
    fn entries(&mut self) {
        type Change = fn(&mut zkaggle_node::proof_file::EntryFile);
        let changes: [(&str, Change); 6] = [
            ("chain", |e| e.chain_id += 1),
            ("market", |e| e.market[0] ^= 1),
            ("bounty", |e| e.bounty += 1),
            ("hunter", |e| e.hunter[19] ^= 1),
            ("slot", |e| e.slot ^= 1),
            ("key", |e| e.score_vk_id[0] ^= 1),
        ];
        for (name, change) in changes {
            self.add(format!("another {name}"), |f| {
                change(entry_and_ctx(f).0);
            });
            self.add(format!("another {name}, with its ctx"), |f| {
                let (entry, ctx) = entry_and_ctx(f);
                change(entry);
                *ctx = Entry::from(&*entry).ctx();
            });
        }
    }

    fn another_entry(&mut self, other: &ProofFile) {
        self.add("the proof of another entry", |f| f.proof.clone_from(&other.proof));
        self.add("the statement of another entry", |f| {
            f.statement.clone_from(&other.statement)
        });
    }
}

fn entry_and_ctx(f: &mut ProofFile) -> (&mut zkaggle_node::proof_file::EntryFile, &mut Fr) {
    match &mut f.statement {
        Statement::Accuracy { entry, instance } => (entry, &mut instance.ctx),
        Statement::Release { entry, instance, .. } => (entry, &mut instance.ctx),
        other => panic!("{other:?} belongs to no entry"),
    }
}
