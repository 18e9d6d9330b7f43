//! Calls of Kubo's RPC interface that the client library has no method for.

use ipfs_api_prelude::ApiRequest;
use serde::{Deserialize, Serialize};

/// Stores and pins one block under a codec of ours; the library's own request names codecs by a retired option.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct BlockPut {
    cid_codec: &'static str,
    mhtype: &'static str,
    mhlen: u8,
    pin: bool,
}

impl BlockPut {
    pub fn new(cid_codec: &'static str) -> Self {
        Self {
            cid_codec,
            mhtype: "sha2-256",
            mhlen: 32,
            pin: true,
        }
    }
}

impl ApiRequest for BlockPut {
    const PATH: &'static str = "/block/put";
}

/// Writes a DAG as an archive.
#[derive(Serialize)]
pub(super) struct DagExport<'a> {
    pub arg: &'a str,
    pub progress: bool,
}

impl ApiRequest for DagExport<'_> {
    const PATH: &'static str = "/dag/export";
}

/// Stores the blocks of an archive and pins its roots.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DagImport {
    pub pin_roots: bool,
}

impl ApiRequest for DagImport {
    const PATH: &'static str = "/dag/import";
}

/// One line of the answer to [`DagImport`].
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Imported {
    pub root: Option<ImportedRoot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ImportedRoot {
    pub cid: Link,
    #[serde(default)]
    pub pin_error_msg: String,
}

/// A link as DAG-JSON writes it.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(rename = "/")]
    pub cid: String,
}
