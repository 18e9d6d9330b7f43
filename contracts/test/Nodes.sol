// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev Writes dag-pb nodes, as IPFS programs do.
abstract contract Nodes {
    function varint(uint256 value) internal pure returns (bytes memory out) {
        while (value >= 0x80) {
            out = abi.encodePacked(out, uint8(value & 0x7f | 0x80));
            value >>= 7;
        }
        out = abi.encodePacked(out, uint8(value));
    }

    function link(bool leaf, bytes32 digest_, string memory name, uint256 tsize) internal pure returns (bytes memory) {
        bytes memory cid = abi.encodePacked(leaf ? bytes4(0x01551220) : bytes4(0x01701220), digest_);
        bytes memory named = bytes.concat(hex"12", varint(bytes(name).length), bytes(name));
        bytes memory body = bytes.concat(hex"0a24", cid, named, hex"18", varint(tsize));
        return bytes.concat(hex"12", varint(body.length), body);
    }

    function data(bytes memory unixfs) internal pure returns (bytes memory) {
        return bytes.concat(hex"0a", varint(unixfs.length), unixfs);
    }

    /// @dev A file of raw leaves.
    function fileNode(bytes32[] memory d, uint64[] memory lengths) internal pure returns (bytes memory) {
        bytes[] memory links = new bytes[](d.length);
        bytes[] memory blocks = new bytes[](d.length);
        uint256 sum;
        for (uint256 j; j < d.length; ++j) {
            links[j] = link(true, d[j], "", lengths[j]);
            blocks[j] = bytes.concat(hex"20", varint(lengths[j]));
            sum += lengths[j];
        }
        bytes memory unixfs = bytes.concat(hex"080218", varint(sum), join(blocks));
        return bytes.concat(join(links), data(unixfs));
    }

    function join(bytes[] memory parts) internal pure returns (bytes memory out) {
        uint256 length;
        for (uint256 j; j < parts.length; ++j) {
            length += parts[j].length;
        }
        out = new bytes(length);
        uint256 to;
        for (uint256 j; j < parts.length; ++j) {
            bytes memory part = parts[j];
            for (uint256 k; k < part.length; ++k) {
                out[to++] = part[k];
            }
        }
    }
}
