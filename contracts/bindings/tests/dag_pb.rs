//! The contract `DagPb` in an EVM and `zkaggle_ipld::chain` read the same trees to the same leaves, and refuse the same
//! broken ones with the same error.

use alloy::primitives::{Address, B256, Bytes, TxKind};
use alloy::sol_types::{SolCall, SolInterface};
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{ExecuteEvm, MainBuilder, MainContext};
use std::collections::BTreeMap;
use zkaggle_bindings::{Artifact, IDagPb};
use zkaggle_ipld::build::{FileOptions, FolderBuilder, add_file};
use zkaggle_ipld::chain::{Digest, Leaf, MAX_LEAVES, MAX_NODES, Opened, Refusal, leaves_of, open};
use zkaggle_ipld::dag_pb::{Link, Node};
use zkaggle_ipld::unixfs::{Data, Kind};
use zkaggle_ipld::{Cid, dag_pb_cid, raw_cid, walk};

const READER: Address = Address::repeat_byte(0x11);
/// Of a transaction, EIP-7825.
const GAS: u64 = 16_777_216;

/// The deployed contract; its registry is not asked here.
fn evm() -> CacheDB<EmptyDB> {
    let artifact = Artifact::named("DagPb").unwrap();
    let code = artifact.deployed_code(&[("datasetRegistry", B256::ZERO)]).unwrap();
    let code = Bytecode::new_raw(code);
    let mut db = CacheDB::new(EmptyDB::default());
    db.insert_account_info(
        READER,
        AccountInfo {
            code_hash: code.hash_slow(),
            code: Some(code),
            ..Default::default()
        },
    );
    db
}

/// What the contract answers: leaves, or the name of its error.
fn contract(root: &Digest, nodes: &[Vec<u8>]) -> Result<Vec<Leaf>, String> {
    let call = IDagPb::leavesOfCall {
        root: B256::from(*root),
        nodes: nodes.iter().map(|n| Bytes::from(n.clone())).collect(),
    };
    let mut evm = Context::mainnet()
        .with_db(evm())
        .modify_cfg_chained(|c| {
            c.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            // Trees at the caps cost more than a transaction may; a call that sends none is not bounded so.
            c.tx_gas_limit_cap = Some(u64::MAX);
        })
        .build_mainnet();
    let tx = TxEnv {
        kind: TxKind::Call(READER),
        data: call.abi_encode().into(),
        gas_limit: 40 * GAS,
        ..Default::default()
    };
    match evm.transact(tx).unwrap().result {
        ExecutionResult::Success {
            output: Output::Call(out),
            ..
        } => {
            let out = IDagPb::leavesOfCall::abi_decode_returns_validate(&out).unwrap();
            assert_eq!(out.digests.len(), out.lengths.len());
            let leaves = out.digests.iter().zip(&out.lengths);
            Ok(leaves.map(|(d, &len)| Leaf { digest: d.0, len }).collect())
        }
        ExecutionResult::Revert { output, .. } => {
            let error = IDagPb::IDagPbErrors::abi_decode_validate(&output).expect("an error with a name");
            Err(name(&error))
        }
        other => panic!("{other:?}"),
    }
}

/// `NodeMissing` of `NodeMissing(NodeMissing { node: 1 })`, and of the native refusal.
fn name(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// Asks both, who must agree.
fn both(root: &Digest, nodes: &[Vec<u8>]) -> Result<Vec<Leaf>, String> {
    let native = leaves_of(root, nodes).map_err(|e| name(&e));
    assert_eq!(contract(root, nodes), native, "{} nodes", nodes.len());
    native
}

fn digest(cid: &Cid) -> Digest {
    cid.hash().digest().try_into().unwrap()
}

type Blocks = BTreeMap<Digest, Vec<u8>>;

fn opened(root: &Cid, blocks: &Blocks) -> Result<Opened, Refusal> {
    open(&digest(root), |d| Ok(blocks.get(d).cloned()))
}

/// A file of so many bytes, and its blocks.
fn file(bytes: usize, chunk: usize, fanout: usize, blocks: &mut Blocks) -> zkaggle_ipld::build::Built {
    let data: Vec<u8> = (0..bytes).map(|i| (i * i % 251) as u8).collect();
    let options = FileOptions {
        chunk,
        fanout,
        ..FileOptions::default()
    };
    let mut keep = |cid: Cid, b: &[u8]| {
        blocks.insert(digest(&cid), b.to_vec());
        Ok(())
    };
    add_file(&data[..], &options, &mut keep).unwrap()
}

#[test]
fn trees_of_the_builder_are_read_alike_by_walk_reader_and_contract() {
    for (bytes, chunk, fanout) in [
        (200, 100, 174),
        (17_400, 100, 174),
        (17_401, 100, 174),
        (6_501, 100, 2),
        (2_100, 100, 3),
        (300_000, 262_144, 174),
    ] {
        let mut blocks = Blocks::new();
        let root = file(bytes, chunk, fanout, &mut blocks);
        let tree = opened(&root.cid, &blocks).unwrap();
        assert_eq!(both(&digest(&root.cid), &tree.nodes).as_ref(), Ok(&tree.leaves));
        let walked = walk::leaves(root.cid, walk::Limits::default(), |c| {
            Ok(blocks.get(&digest(c)).cloned())
        })
        .unwrap();
        let walked: Vec<Leaf> = walked
            .iter()
            .map(|l| Leaf {
                digest: digest(&l.cid),
                len: l.len,
            })
            .collect();
        assert_eq!(walked, tree.leaves, "{bytes} bytes in {chunk}, {fanout} links");
    }
}

#[test]
fn a_dataset_folder_is_its_shards() {
    let mut blocks = Blocks::new();
    let mut folder = FolderBuilder::default();
    let manifest = file(40, 262_144, 174, &mut blocks);
    folder.insert("manifest.json", manifest).unwrap();
    let mut shards = vec![];
    for k in 0..5 {
        // The last one is a file of two leaves.
        let shard = file(300 + k, if k == 4 { 200 } else { 262_144 }, 174, &mut blocks);
        shards.push(shard);
        folder.insert(format!("shard-{k:05}.bin"), shard).unwrap();
    }
    let root = folder
        .finish(&mut |cid, b| {
            blocks.insert(digest(&cid), b.to_vec());
            Ok(())
        })
        .unwrap();
    let tree = opened(&root.cid, &blocks).unwrap();
    assert_eq!(tree.nodes.len(), 2);
    let leaves = both(&digest(&root.cid), &tree.nodes).unwrap();
    assert_eq!(leaves, tree.leaves);
    assert_eq!(
        leaves.iter().map(|l| l.len).collect::<Vec<_>>(),
        [300, 301, 302, 303, 200, 104]
    );
    assert_eq!(leaves[0].digest, digest(&shards[0].cid));
    // A node fewer, a node more, nodes in another order.
    let root = digest(&root.cid);
    assert_eq!(both(&root, &tree.nodes[..1]), Err("NodeMissing".into()));
    let [a, b] = &tree.nodes[..] else { unreachable!() };
    assert_eq!(both(&root, &[a.clone(), b.clone(), b.clone()]), Err("NodesLeft".into()));
    assert_eq!(both(&root, &[b.clone(), a.clone()]), Err("NodeOther".into()));
    assert_eq!(both(&root, &[]), Err("NodeMissing".into()));
}

/// Gathering says what the contract would, before anything is sent.
#[test]
fn a_tree_that_cannot_be_sent_is_refused_when_it_is_gathered() {
    let mut blocks = Blocks::new();
    let root = file(1_000, 100, 3, &mut blocks);
    let whole = opened(&root.cid, &blocks).unwrap();
    let inner = dag_pb_cid(&whole.nodes[1]);
    blocks.remove(&digest(&inner));
    assert!(matches!(
        opened(&root.cid, &blocks),
        Err(Refusal::NodeMissing { node: 1 })
    ));
    blocks.insert(digest(&inner), vec![1]);
    assert!(matches!(
        opened(&root.cid, &blocks),
        Err(Refusal::NodeOther { node: 1 })
    ));
    let failing = open(&digest(&root.cid), |_| Err(std::io::Error::other("unplugged")));
    assert!(failing.unwrap_err().to_string().contains("unplugged"));
}

/// Small deterministic randomness; the point is reach, not secrecy.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A node of few links whose sizes are true or nearly so.
fn any_node(dice: &mut Dice) -> Vec<u8> {
    let folder = dice.roll(3) == 0;
    let names = ["a", "b", "manifest.json", "shard-0", "shard-1", "z"];
    let mut data = Data::of(if folder { Kind::Folder } else { Kind::File });
    let mut links = vec![];
    for k in 0..=dice.roll(4) {
        let size = dice.roll(400) as u64 + 1;
        links.push(Link {
            cid: raw_cid(&[k as u8]),
            name: if folder { names[k].into() } else { String::new() },
            tsize: size,
        });
        data.blocksizes.push(size);
    }
    data.filesize = Some(data.blocksizes.iter().sum());
    if folder {
        data = Data::of(Kind::Folder);
    }
    let data = data.encode();
    Node { links, data }.encode()
}

/// One to three bytes changed, dropped, doubled or inserted; hashes are made to fit, so that the reader is reached.
#[test]
fn broken_nodes_are_refused_alike() {
    let mut dice = Dice(7);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..3_000 {
        let mut node = any_node(&mut dice);
        for _ in 0..dice.roll(4) {
            let at = dice.roll(node.len().max(1));
            match dice.roll(5) {
                _ if node.is_empty() => {}
                0 => node[at] = dice.roll(256) as u8,
                1 => node[at] ^= 1 << dice.roll(8),
                2 => {
                    node.remove(at);
                }
                3 => node.insert(at, node[at]),
                _ => node.truncate(at),
            }
        }
        let root = digest(&dag_pb_cid(&node));
        let verdict = both(&root, std::slice::from_ref(&node));
        if let Ok(leaves) = &verdict {
            // Strict implies sound: whatever the chain reads, every node reads, to the same leaves.
            let decoded = Node::decode(&node).unwrap();
            assert_eq!(decoded.encode(), node, "one spelling");
            let shown = decoded.links.iter().filter(|l| l.name != "manifest.json");
            assert!(shown.map(|l| digest(&l.cid)).eq(leaves.iter().map(|l| l.digest)));
        }
        *seen.entry(verdict.map_or_else(|e| e, |_| "read".into())).or_default() += 1;
    }
    for (what, least) in [
        ("read", 500),
        ("Truncated", 300),
        ("FieldUnexpected", 300),
        ("LinkInvalid", 20),
        ("TreeSize", 5),
        ("KindUnsupported", 1),
        ("VarintInvalid", 1),
        ("NameInvalid", 1),
        ("NameOrder", 1),
        ("FileSize", 1),
    ] {
        let got = seen.get(what).copied().unwrap_or_default();
        assert!(got >= least, "{what}: {got} times; all: {seen:?}");
    }
}

/// What chance rarely makes.
#[test]
fn nodes_of_nothing_or_of_other_forms_are_refused_alike() {
    let link = |name: &str, tsize| Link {
        cid: raw_cid(b"x"),
        name: name.into(),
        tsize,
    };
    let file = |size, blocksizes: &[u64], bytes: Option<&[u8]>| {
        let mut data = Data::of(Kind::File);
        (data.filesize, data.blocksizes) = (Some(size), blocksizes.to_vec());
        data.bytes = bytes.map(<[u8]>::to_vec);
        data
    };
    for (links, data, says) in [
        (vec![], Data::of(Kind::Folder), "NoLinks"),
        (vec![], file(0, &[], None), "NoLinks"),
        (vec![link("", 1)], file(2, &[1], Some(b"y")), "InlineData"),
        (vec![link("", 1)], file(1, &[], None), "SizeCount"),
        (vec![link("", 1)], file(1, &[1, 0], None), "SizeCount"),
        (vec![link("", 0)], file(0, &[0], None), "LeafEmpty"),
        (vec![link("", 1)], Data::of(Kind::Symlink), "KindUnsupported"),
        (vec![link(&"n".repeat(256), 1)], Data::of(Kind::Folder), "NameInvalid"),
    ] {
        let data = data.encode();
        let node = Node { links, data }.encode();
        let root = digest(&dag_pb_cid(&node));
        assert_eq!(both(&root, &[node]).err().as_deref(), Some(says));
    }
    let folder = |links| {
        let data = Data::of(Kind::Folder).encode();
        Node { links, data }.encode()
    };
    let inner = folder(vec![link("a", 1)]);
    let outer = folder(vec![Link {
        cid: dag_pb_cid(&inner),
        name: "b".into(),
        tsize: inner.len() as u64 + 1,
    }]);
    let root = digest(&dag_pb_cid(&outer));
    assert_eq!(both(&root, &[outer, inner]).err().as_deref(), Some("FolderInside"));
}

/// Parents over a child: sizes, depth and caps.
fn parent(child: &[u8], size: u64, tsize: u64) -> Vec<u8> {
    let mut data = Data::of(Kind::File);
    (data.filesize, data.blocksizes) = (Some(size), vec![size]);
    let links = vec![Link {
        cid: dag_pb_cid(child),
        name: String::new(),
        tsize,
    }];
    let data = data.encode();
    Node { links, data }.encode()
}

#[test]
fn what_a_parent_says_of_a_child_is_true_on_both_sides() {
    let mut blocks = Blocks::new();
    let child = file(250, 100, 174, &mut blocks);
    let node = blocks[&digest(&child.cid)].clone();
    for (size, tsize, says) in [
        (250, child.tsize, None),
        (251, child.tsize, Some("ChildSize")),
        (250, child.tsize - 1, Some("TreeSize")),
        (u64::MAX, u64::MAX, Some("TreeSize")),
    ] {
        let top = parent(&node, size, tsize);
        let root = digest(&dag_pb_cid(&top));
        let verdict = both(&root, &[top, node.clone()]);
        assert_eq!(verdict.err().as_deref(), says, "{size}, {tsize}");
    }
}

#[test]
fn depth_and_caps_are_the_same_on_both_sides() {
    let mut blocks = Blocks::new();
    let child = file(250, 100, 174, &mut blocks);
    let mut nodes = vec![blocks[&digest(&child.cid)].clone()];
    let mut tsize = child.tsize;
    while nodes.len() < 17 {
        let top = parent(&nodes[0], 250, tsize);
        tsize += top.len() as u64;
        nodes.insert(0, top);
        let verdict = both(&digest(&dag_pb_cid(&nodes[0])), &nodes);
        assert_eq!(verdict.err().as_deref(), (nodes.len() == 17).then_some("TooDeep"));
    }
    let many = |count: usize| {
        let mut data = Data::of(Kind::File);
        (data.filesize, data.blocksizes) = (Some(count as u64), vec![1; count]);
        let link = Link {
            cid: raw_cid(b"x"),
            name: String::new(),
            tsize: 1,
        };
        let data = data.encode();
        Node {
            links: vec![link; count],
            data,
        }
        .encode()
    };
    for (count, says) in [(MAX_LEAVES, None), (MAX_LEAVES + 1, Some("TooManyLeaves"))] {
        let node = many(count);
        assert_eq!(both(&digest(&dag_pb_cid(&node)), &[node]).err().as_deref(), says);
    }
    let leaf = many(1);
    for (count, says) in [(MAX_NODES - 1, None), (MAX_NODES, Some("TooManyNodes"))] {
        let mut data = Data::of(Kind::File);
        (data.filesize, data.blocksizes) = (Some(count as u64), vec![1; count]);
        let link = Link {
            cid: dag_pb_cid(&leaf),
            name: String::new(),
            tsize: leaf.len() as u64 + 1,
        };
        let data = data.encode();
        let top = Node {
            links: vec![link; count],
            data,
        }
        .encode();
        let mut nodes = vec![top];
        nodes.extend(vec![leaf.clone(); count]);
        assert_eq!(both(&digest(&dag_pb_cid(&nodes[0])), &nodes).err().as_deref(), says);
    }
}
