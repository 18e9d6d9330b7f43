// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Bytes kept as contract code
/// @notice A chunk is a contract whose code is STOP followed by the bytes: it can be read with
/// EXTCODECOPY and never runs.
library Chunks {
    /// @dev EIP-170's 24,576 bytes less the STOP.
    uint256 internal constant MAX_BYTES = 24_575;

    /// @dev PUSH2 size+1, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, then the code: STOP, bytes.
    function initCode(bytes memory data) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff300", data);
    }

    /// @notice Address of the chunk that this contract creates for `init`, by CREATE2 with salt 0.
    /// @dev Only the running contract can create it, and always with this code: what the address
    /// holds can never change.
    function addressOf(bytes memory init) internal view returns (address) {
        bytes32 digest = keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(init)));
        return address(uint160(uint256(digest)));
    }

    /// @notice Creates the chunk; zero address when it could not.
    function create(bytes memory init) internal returns (address chunk) {
        assembly ("memory-safe") {
            chunk := create2(0, add(init, 32), mload(init), 0)
        }
    }

    /// @notice keccak256 of the concatenated bytes of chunks.
    function hash(address[] calldata chunks) internal view returns (bytes32) {
        uint256 total;
        for (uint256 i; i < chunks.length; ++i) {
            total += chunks[i].code.length - 1;
        }
        bytes memory all = new bytes(total);
        uint256 offset;
        for (uint256 i; i < chunks.length; ++i) {
            address chunk = chunks[i];
            uint256 size = chunk.code.length - 1;
            assembly ("memory-safe") {
                extcodecopy(chunk, add(add(all, 32), offset), 1, size)
            }
            offset += size;
        }
        return keccak256(all);
    }
}
