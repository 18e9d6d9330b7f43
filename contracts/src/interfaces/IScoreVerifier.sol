// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Accuracy of a committed model on one committed shard (PROTOCOL section 4).
/// @param ctx entry context: chain, market, bounty, hunter, slot and vkId in one field element
/// @param C model commitment, a field element
/// @param s shard commitment, a field element
/// @param n records in the shard
/// @param score predictions equal to the label, at most `n`
/// @param R results hash of the shard, a field element
struct ScoreStatement {
    uint256 ctx;
    uint256 C;
    uint256 s;
    uint256 n;
    uint256 score;
    uint256 R;
}

/// @title Adapter of an argument that proves accuracy statements
interface IScoreVerifier {
    /// @notice Whether `proof` proves `statement` under the verifying key.
    /// @dev A malformed proof, an element not below the field's order and trailing bytes give false
    /// or a revert: callers treat both as a refusal.
    /// @param key data contracts (first code byte 0x00, the key's bytes after it), in order
    function verify(address[] calldata key, ScoreStatement calldata statement, bytes calldata proof)
        external
        view
        returns (bool);

    /// @notice Identity of the structured reference string whose points live in this contract.
    function srsId() external view returns (bytes32);
}
