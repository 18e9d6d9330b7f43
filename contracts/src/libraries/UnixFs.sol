// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDagPb} from "../interfaces/IDagPb.sol";

/// @title Reading UnixFS trees
/// @dev `node/ipld/src/chain.rs` reads the same bytes by the same rules in the same order, and says the same errors.
library UnixFs {
    uint256 internal constant MAX_NODES = 1024;
    uint256 internal constant MAX_LEAVES = 8192;
    uint256 internal constant MAX_DEPTH = 16;
    uint256 private constant MAX_NAME = 255;
    /// @dev Shortest link to a leaf: two bytes of head, 38 of CID, two of an empty name, two of a size.
    uint256 private constant LINK_BYTES = 44;
    bytes32 private constant MANIFEST = keccak256("manifest.json");

    /// @dev Keys of fields: number and type in one byte.
    uint256 private constant NODE_DATA = 0x0a;
    uint256 private constant NODE_LINK = 0x12;
    uint256 private constant LINK_HASH = 0x0a;
    uint256 private constant LINK_NAME = 0x12;
    uint256 private constant LINK_SIZE = 0x18;
    uint256 private constant DATA_KIND = 0x08;
    uint256 private constant DATA_BYTES = 0x12;
    uint256 private constant DATA_SIZE = 0x18;
    uint256 private constant DATA_BLOCK = 0x20;
    uint256 private constant FOLDER = 1;
    uint256 private constant FILE = 2;
    /// @dev Version 1, codec, SHA-256 and its length, in front of the digest.
    bytes4 private constant RAW_LEAF = 0x01551220;
    bytes4 private constant DAG_NODE = 0x01701220;

    /// @dev What was read of a tree so far.
    struct Tree {
        uint256 used;
        uint256 count;
        bytes32[] digests;
        uint64[] lengths;
        bool hidden;
    }

    /// @dev A link, and where its name stands.
    struct Link {
        bytes32 digest;
        bool leaf;
        uint256 nameAt;
        uint256 nameEnd;
        uint256 size;
        uint256 end;
    }

    /// @dev Where a node's data stand, and what they begin with.
    struct Head {
        uint256 links;
        uint256 pos;
        uint256 end;
        bool folder;
        uint256 size;
    }

    /// @notice All leaves of a root.
    function leaves(bytes32 root, bytes[] calldata nodes)
        internal
        pure
        returns (bytes32[] memory digests, uint64[] memory lengths)
    {
        uint256 most;
        for (uint256 i; i < nodes.length; ++i) {
            most += nodes[i].length / LINK_BYTES;
        }
        if (most > MAX_LEAVES) most = MAX_LEAVES;
        Tree memory t = Tree(0, 0, new bytes32[](most), new uint64[](most), false);
        _node(t, nodes, root, 0);
        if (t.used != nodes.length) revert IDagPb.NodesLeft(t.used, nodes.length);
        (digests, lengths) = (t.digests, t.lengths);
        uint256 count = t.count;
        // Shorter than they were made: every leaf had a link of at least LINK_BYTES.
        assembly ("memory-safe") {
            mstore(digests, count)
            mstore(lengths, count)
        }
    }

    /// @dev Reads the next node and all below it.
    /// @return size bytes of the file; of a folder zero
    /// @return tsize bytes of the node and all blocks below it
    function _node(Tree memory t, bytes[] calldata nodes, bytes32 expected, uint256 depth)
        private
        pure
        returns (uint256 size, uint256 tsize)
    {
        uint256 i = t.used++;
        if (i == MAX_NODES) revert IDagPb.TooManyNodes();
        if (i >= nodes.length) revert IDagPb.NodeMissing(i);
        if (depth == MAX_DEPTH) revert IDagPb.TooDeep(i);
        bytes calldata node = nodes[i];
        bytes32 got = sha256(node);
        if (got != expected) revert IDagPb.NodeOther(i, expected, got);
        Head memory h = _head(node, i);
        if (h.folder && depth != 0) revert IDagPb.FolderInside(i);
        Link memory link;
        (uint256 pos, uint256 nameAt, uint256 nameEnd) = (0, 0, 0);
        tsize = node.length;
        for (uint256 k; k < h.links; ++k) {
            _link(link, node, i, pos);
            tsize += link.size;
            if (h.folder) {
                _checkName(node, i, nameAt, nameEnd, link);
                (nameAt, nameEnd) = (link.nameAt, link.nameEnd);
                t.hidden = keccak256(node[nameAt:nameEnd]) == MANIFEST;
                if (link.leaf) _leaf(t, link, link.size, i);
                else _child(t, nodes, link, depth);
            } else {
                if (link.nameAt != link.nameEnd) revert IDagPb.NameInvalid(i, link.nameAt);
                size += _part(t, nodes, node, h, link, i, depth);
            }
            pos = link.end;
        }
        if (h.pos != h.end) {
            if (uint8(node[h.pos]) == DATA_BLOCK) revert IDagPb.SizeCount(i);
            revert IDagPb.FieldUnexpected(i, h.pos);
        }
        if (h.size != size) revert IDagPb.FileSize(i, h.size, size);
    }

    /// @dev One link of a file, with the size that the node says of it.
    function _part(
        Tree memory t,
        bytes[] calldata nodes,
        bytes calldata node,
        Head memory h,
        Link memory link,
        uint256 i,
        uint256 depth
    ) private pure returns (uint256 stated) {
        if (h.pos == h.end) revert IDagPb.SizeCount(i);
        if (uint8(node[h.pos]) != DATA_BLOCK) revert IDagPb.FieldUnexpected(i, h.pos);
        (stated, h.pos) = _varint(node, i, h.pos + 1, h.end);
        if (link.leaf) {
            _leaf(t, link, stated, i);
            return stated;
        }
        uint256 next = t.used;
        uint256 end = link.end;
        uint256 got = _child(t, nodes, link, depth);
        link.end = end;
        if (got != stated) revert IDagPb.ChildSize(next, stated, got);
    }

    function _child(Tree memory t, bytes[] calldata nodes, Link memory link, uint256 depth)
        private
        pure
        returns (uint256 size)
    {
        uint256 next = t.used;
        uint256 tsize;
        (size, tsize) = _node(t, nodes, link.digest, depth + 1);
        if (tsize != link.size) revert IDagPb.TreeSize(next, link.size, tsize);
    }

    function _leaf(Tree memory t, Link memory link, uint256 stated, uint256 i) private pure {
        if (stated == 0) revert IDagPb.LeafEmpty(i, link.nameAt);
        if (link.size != stated) revert IDagPb.TreeSize(i, link.size, stated);
        if (t.hidden) return;
        if (t.count == MAX_LEAVES) revert IDagPb.TooManyLeaves();
        t.digests[t.count] = link.digest;
        // A varint has at most 64 bits.
        t.lengths[t.count] = uint64(stated);
        ++t.count;
    }

    // ------------------------------------------------------------------ form

    /// @dev Counts the links and reads the data up to the first block's size.
    function _head(bytes calldata node, uint256 i) private pure returns (Head memory h) {
        (uint256 pos, uint256 length) = (0, 0);
        while (_byteAt(node, i, pos, node.length) == NODE_LINK) {
            (length, pos) = _length(node, i, pos + 1, node.length);
            pos += length;
            ++h.links;
        }
        if (_byteAt(node, i, pos, node.length) != NODE_DATA) revert IDagPb.FieldUnexpected(i, pos);
        (length, pos) = _length(node, i, pos + 1, node.length);
        h.end = pos + length;
        if (h.end != node.length) revert IDagPb.FieldUnexpected(i, h.end);
        if (_byteAt(node, i, pos, h.end) != DATA_KIND) revert IDagPb.FieldUnexpected(i, pos);
        uint256 kind;
        (kind, pos) = _varint(node, i, pos + 1, h.end);
        if (kind != FOLDER && kind != FILE) revert IDagPb.KindUnsupported(i, kind);
        h.folder = kind == FOLDER;
        if (!h.folder) {
            uint256 key = _byteAt(node, i, pos, h.end);
            if (key == DATA_BYTES) revert IDagPb.InlineData(i);
            if (key != DATA_SIZE) revert IDagPb.FieldUnexpected(i, pos);
            (h.size, pos) = _varint(node, i, pos + 1, h.end);
        }
        if (h.links == 0) revert IDagPb.NoLinks(i);
        h.pos = pos;
    }

    /// @dev Reads one link: CID, name, size, nothing else. `_head` has walked over it.
    function _link(Link memory link, bytes calldata node, uint256 i, uint256 pos) private pure {
        uint256 length;
        (length, pos) = _length(node, i, pos + 1, node.length);
        uint256 end = pos + length;
        link.end = end;
        if (_byteAt(node, i, pos, end) != LINK_HASH) revert IDagPb.FieldUnexpected(i, pos);
        (length, pos) = _length(node, i, pos + 1, end);
        if (length != 36) revert IDagPb.LinkInvalid(i, pos);
        bytes4 cid = bytes4(node[pos:pos + 4]);
        link.leaf = cid == RAW_LEAF;
        if (!link.leaf && cid != DAG_NODE) revert IDagPb.LinkInvalid(i, pos);
        link.digest = bytes32(node[pos + 4:pos + 36]);
        pos += 36;
        if (_byteAt(node, i, pos, end) != LINK_NAME) revert IDagPb.FieldUnexpected(i, pos);
        (length, pos) = _length(node, i, pos + 1, end);
        (link.nameAt, link.nameEnd) = (pos, pos + length);
        pos += length;
        if (_byteAt(node, i, pos, end) != LINK_SIZE) revert IDagPb.FieldUnexpected(i, pos);
        (link.size, pos) = _varint(node, i, pos + 1, end);
        if (pos != end) revert IDagPb.FieldUnexpected(i, pos);
    }

    /// @dev An entry's name, and that it follows the one before, which stands from `wasAt` to `wasEnd`.
    function _checkName(bytes calldata node, uint256 i, uint256 wasAt, uint256 wasEnd, Link memory link) private pure {
        uint256 pos = link.nameAt;
        uint256 length = link.nameEnd - pos;
        if (length == 0 || length > MAX_NAME) revert IDagPb.NameInvalid(i, pos);
        uint256 was = wasEnd - wasAt;
        // Equal so far; a prefix comes first.
        bool equal = true;
        bool dots = length < 3;
        for (uint256 k; k < length; ++k) {
            uint8 c = uint8(node[pos + k]);
            if (c < 0x20 || c > 0x7e || c == 0x2f) revert IDagPb.NameInvalid(i, pos);
            if (c != 0x2e) dots = false;
            if (!equal || k >= was) continue;
            uint8 before = uint8(node[wasAt + k]);
            if (before > c) revert IDagPb.NameOrder(i, pos);
            equal = before == c;
        }
        if (dots) revert IDagPb.NameInvalid(i, pos);
        if (equal && length <= was) revert IDagPb.NameOrder(i, pos);
    }

    function _byteAt(bytes calldata node, uint256 i, uint256 pos, uint256 end) private pure returns (uint256) {
        if (pos >= end) revert IDagPb.Truncated(i, pos);
        return uint8(node[pos]);
    }

    /// @dev A length, of which so much is there.
    function _length(bytes calldata node, uint256 i, uint256 pos, uint256 end)
        private
        pure
        returns (uint256 length, uint256 next)
    {
        (length, next) = _varint(node, i, pos, end);
        if (length > end - next) revert IDagPb.Truncated(i, next);
    }

    /// @dev At most 64 bits, in the shortest form.
    function _varint(bytes calldata node, uint256 i, uint256 pos, uint256 end)
        private
        pure
        returns (uint256 value, uint256 next)
    {
        next = pos;
        for (uint256 k; k < 10; ++k) {
            uint256 b = _byteAt(node, i, next++, end);
            if (k == 9 && b > 1) break;
            value |= (b & 0x7f) << (7 * k);
            if (b < 0x80) {
                if (b == 0 && k != 0) break;
                return (value, next);
            }
        }
        revert IDagPb.VarintInvalid(i, pos);
    }
}
