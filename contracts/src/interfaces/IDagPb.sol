// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "./IDatasetRegistry.sol";

/// @title From a UnixFS root to its raw leaves
/// @notice Where a dataset is named by the root of a file or of a folder of files, shows which raw leaves that
/// name stands for, so that they can be compared with the shards that CID proofs attest.
/// @dev A tree is given as its dag-pb nodes, depth first in the order of the links: the root, then the first link's
/// node and everything below it, and so on; raw leaves are left out. A node that occurs twice is given twice. Each
/// is hashed with SHA-256 and must be the one its parent names. Of a folder, the file `manifest.json` describes the
/// data and is no part of them: its nodes are read like all others, its leaves are not listed.
///
/// Nodes are read as `ipfs add --cid-version=1 --raw-leaves` writes them, and in no other spelling: links before data,
/// every field present and in order, shortest varints, no field besides, CIDs of version 1 with SHA-256, a folder's names in
/// strict order. What a parent says about a child's size (`blocksizes`, `filesize`, `Tsize`) must be true.
interface IDagPb {
    /// @notice The leaves of a root were recorded.
    /// @param leaves how many
    /// @param size bytes of all leaves
    /// @param digestsHash keccak256 of the leaves' digests, packed in order
    event RootRecorded(bytes32 indexed root, uint256 leaves, uint256 size, bytes32 digestsHash);

    /// @notice The tree needs a node that was not given.
    error NodeMissing(uint256 node);
    /// @notice More nodes were given than the tree has.
    error NodesLeft(uint256 used, uint256 given);
    /// @notice The node is not the one its parent (for node 0: the caller) names.
    error NodeOther(uint256 node, bytes32 expected, bytes32 got);
    /// @notice A tree has at most 1,024 nodes, 8,192 leaves, and 16 nodes above a leaf.
    error TooManyNodes();
    error TooManyLeaves();
    error TooDeep(uint256 node);
    /// @notice The node ends in the middle of a field.
    error Truncated(uint256 node, uint256 pos);
    /// @notice A number is longer than it needs to be, or than 64 bits.
    error VarintInvalid(uint256 node, uint256 pos);
    /// @notice Another field belongs here, or none.
    error FieldUnexpected(uint256 node, uint256 pos);
    /// @notice The link is no CID of version 1, raw or dag-pb, with SHA-256.
    error LinkInvalid(uint256 node, uint256 pos);
    /// @notice In a file, names are empty; in a folder they have 1 to 255 printable ASCII characters without a slash, and
    /// are neither `.` nor `..`.
    error NameInvalid(uint256 node, uint256 pos);
    /// @notice A folder's names stand in strictly ascending order.
    error NameOrder(uint256 node, uint256 pos);
    /// @notice UnixFS files and plain folders are read; no symlinks, no sharded folders, no old raw nodes.
    error KindUnsupported(uint256 node, uint256 kind);
    /// @notice A folder holds files alone.
    error FolderInside(uint256 node);
    /// @notice The node holds bytes of the file itself. CID proofs cover raw leaves.
    error InlineData(uint256 node);
    /// @notice A file or folder of nothing.
    error NoLinks(uint256 node);
    /// @notice A file node says one size for each link.
    error SizeCount(uint256 node);
    /// @notice A leaf has at least one byte.
    error LeafEmpty(uint256 node, uint256 pos);
    /// @notice The file's size is not the sum of its parts.
    error FileSize(uint256 node, uint256 stated, uint256 sum);
    /// @notice The parent states another size of the file than the child has.
    error ChildSize(uint256 node, uint256 stated, uint256 got);
    /// @notice The link's `Tsize` is not what the child and all below it take.
    error TreeSize(uint256 node, uint256 stated, uint256 got);
    /// @notice The tree says another length of the leaf than its CID proof.
    error LeafLength(bytes32 digest, uint256 stated, uint256 attested);

    /// @notice Where attested shards are looked up.
    function datasetRegistry() external view returns (IDatasetRegistry);

    /// @notice The leaves of a tree, in order.
    /// @param root SHA-256 digest of the root's dag-pb CID
    /// @return digests SHA-256 digests of the raw leaves, and so of their CIDs
    /// @return lengths what the tree says of their bytes; who holds a CID proof compares
    function leavesOf(bytes32 root, bytes[] calldata nodes)
        external
        view
        returns (bytes32[] memory digests, uint64[] memory lengths);

    /// @notice Dataset commitment of the shards that a root names: each leaf is attested under the key, with the
    /// length the tree says.
    /// @return D as `IDatasetRegistry.datasetOf`
    /// @return n records in all
    function datasetOf(
        bytes32 root,
        bytes[] calldata nodes,
        bytes32 vkId,
        bytes32 schemaId,
        uint32 offset,
        uint32 stride
    ) external view returns (bytes32 D, uint32 n);

    /// @notice Checks a tree once for all, for contracts that cannot be given it. Anyone may call.
    function record(bytes32 root, bytes[] calldata nodes) external;

    /// @notice keccak256 of the packed digests of a recorded root's leaves, zero when it is not recorded.
    function digestsHashOf(bytes32 root) external view returns (bytes32);
}
