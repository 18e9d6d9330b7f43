//! Trees that a peer made to hurt, and fetches that were interrupted.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;

use std::time::Duration;

use common::{Node, node, soon};
use zkaggle_ipld::{
    build::{self, FileOptions},
    dag_pb::{self, Link},
    dag_pb_cid,
    unixfs::{Data, Kind},
    walk::{Limits, WalkError},
};
use zkaggle_net::{Cid, Content, ContentError, DagError, DagOptions, Visibility, bitswap::FetchError};

/// A peer with whatever blocks it likes, and a node that fetches from it.
async fn pair() -> (Node, Node, Content) {
    let (hostile, victim) = (node(1).await, node(2).await);
    victim.dial(&hostile).await;
    let content = Content::over_peers(victim.store.clone(), victim.network.clone());
    (hostile, victim, content)
}

fn options(limits: Limits) -> DagOptions {
    DagOptions {
        limits,
        patience: Duration::from_secs(2),
        ..Default::default()
    }
}

/// Stores a file node over these children, each of so many bytes.
fn file_over(node: &Node, children: &[(Cid, u64)]) -> (Cid, u64) {
    let size = children.iter().map(|(_, size)| size).sum();
    let mut data = Data::of(Kind::File);
    data.filesize = Some(size);
    data.blocksizes = children.iter().map(|(_, size)| *size).collect();
    let links = children.iter().map(|(cid, size)| Link {
        cid: *cid,
        name: String::new(),
        tsize: *size,
    });
    let block = dag_pb::Node {
        links: links.collect(),
        data: data.encode(),
    }
    .encode();
    let cid = dag_pb_cid(&block);
    node.store.put_block(&cid, &block, Visibility::Public).unwrap();
    (cid, size)
}

async fn refused(content: &Content, root: Cid, limits: Limits) -> WalkError {
    match soon(content.fetch_dag(&[root], &options(limits), |_, _| ())).await {
        Err(DagError::Walk(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tower_of_nodes_is_refused_at_its_depth() {
    let (hostile, victim, content) = pair().await;
    let leaf = hostile.store.put(b"leaf", Visibility::Public).unwrap();
    let mut top = (leaf, 4);
    for _ in 0..100 {
        top = file_over(&hostile, &[top]);
    }
    let error = refused(&content, top.0, Limits::default()).await;
    assert!(
        matches!(&error, WalkError::Limit { what, limit: 64, .. } if what.contains("depth")),
        "{error}"
    );
    assert!(victim.store.list().len() <= 66);
}

#[tokio::test]
async fn a_tree_that_repeats_itself_is_refused_by_its_size() {
    let (hostile, victim, content) = pair().await;
    let mut top = (hostile.store.put(&[7; 1000], Visibility::Public).unwrap(), 1000);
    for _ in 0..40 {
        top = file_over(&hostile, &[top, top]);
    }
    let error = refused(&content, top.0, Limits::default()).await;
    assert!(
        matches!(&error, WalkError::Limit { what, .. } if what.contains("size")),
        "{error}"
    );
    assert_eq!(victim.store.list().len(), 1, "the root says enough");

    // One that says nothing of its size until its leaves: bounded by the blocks it may name.
    let mut top = (hostile.store.put(b"", Visibility::Public).unwrap(), 0);
    for _ in 0..40 {
        top = file_over(&hostile, &[top, top]);
    }
    let limits = Limits {
        blocks: 1000,
        ..Default::default()
    };
    let error = refused(&content, top.0, limits).await;
    assert!(
        matches!(&error, WalkError::Limit { what, limit: 1000, .. } if what.contains("blocks")),
        "{error}"
    );
}

#[tokio::test]
async fn nodes_that_lie_about_what_is_below_them_are_refused() {
    let (hostile, _victim, content) = pair().await;
    let leaf = hostile.store.put(b"leaf", Visibility::Public).unwrap();
    let (liar, _) = file_over(&hostile, &[(leaf, 1_000_000)]);
    let error = refused(&content, liar, Limits::default()).await;
    assert!(
        matches!(
            error,
            WalkError::Size {
                stated: 1_000_000,
                got: 4,
                ..
            }
        ),
        "{error}"
    );

    let noise = vec![0xff; 1000];
    let cid = dag_pb_cid(&noise);
    hostile.store.put_block(&cid, &noise, Visibility::Public).unwrap();
    let error = refused(&content, cid, Limits::default()).await;
    assert!(matches!(error, WalkError::Node { .. }), "{error}");
}

#[tokio::test]
async fn an_interrupted_fetch_continues_where_it_stopped() {
    let (provider, fetcher, content) = pair().await;
    let bytes: Vec<u8> = (0..1_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut blocks = vec![];
    let mut keep = |cid, block: &[u8]| {
        blocks.push((cid, block.to_vec()));
        Ok(())
    };
    let root = build::add_file(&bytes[..], &FileOptions::default(), &mut keep)
        .unwrap()
        .cid;
    let (last, rest) = (blocks[2].clone(), [&blocks[..2], &blocks[3..]].concat());
    for (cid, block) in &rest {
        provider.store.put_block(cid, block, Visibility::Public).unwrap();
    }
    let stopped = soon(content.fetch_dag(&[root], &options(Limits::default()), |_, _| ())).await;
    match stopped {
        Err(DagError::Block {
            cid,
            source: ContentError::Fetch(FetchError::NotFound { .. }),
            ..
        }) => {
            assert_eq!(cid, last.0);
        }
        other => panic!("{other:?}"),
    }
    let before = fetcher.network.traffic().blocks_received;
    provider.store.put_block(&last.0, &last.1, Visibility::Public).unwrap();
    let done = soon(content.fetch_dag(&[root], &options(Limits::default()), |_, _| ()))
        .await
        .unwrap();
    assert_eq!(done.blocks, blocks.len() as u64);
    assert_eq!(done.resumed, before, "what had come is not asked for again");
    assert_eq!(fetcher.network.traffic().blocks_received, blocks.len() as u64);
}
