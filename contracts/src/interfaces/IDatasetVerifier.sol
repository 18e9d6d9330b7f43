// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The bytes behind a CID are the bytes behind a shard commitment (PROTOCOL section 2).
/// @param digest SHA-256 of the block: the multihash of its CID
/// @param length bytes of the block
/// @param s shard commitment, a field element
struct DatasetStatement {
    bytes32 digest;
    uint256 length;
    uint256 s;
}

/// @title Adapter of an argument that proves CID statements
interface IDatasetVerifier {
    /// @notice Whether `proof` proves all of `statements` under the verifying key.
    /// @dev False for any proof that does not hold, malformed or not; reverts for a key that is none.
    /// @param key data contracts (first code byte 0x00, the key's bytes after it), in order
    function verify(address[] calldata key, DatasetStatement[] calldata statements, bytes calldata proof)
        external
        view
        returns (bool);

    /// @notice Identity of the structured reference string whose points live in this contract.
    function srsId() external view returns (bytes32);
}
