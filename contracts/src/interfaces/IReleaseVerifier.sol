// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A ciphertext holds the committed weights (PROTOCOL section 5). All are field elements.
/// @param ctx entry context, as in the entry's accuracy proofs
/// @param C model commitment
/// @param pkX encryption key as the market stores it: already multiplied by the cofactor
/// @param pkY its second coordinate
/// @param epkX the claim's ephemeral key
/// @param epkY its second coordinate
/// @param z evaluation point, derived by the market from the ciphertext
/// @param y sum of c_i * z^i over the ciphertext's words, computed by the market
struct ReleaseStatement {
    uint256 ctx;
    uint256 C;
    uint256 pkX;
    uint256 pkY;
    uint256 epkX;
    uint256 epkY;
    uint256 z;
    uint256 y;
}

/// @title Adapter of an argument that proves release statements
interface IReleaseVerifier {
    /// @notice Whether `proof` proves `statement` under the verifying key.
    /// @dev A malformed proof gives false or a revert.
    /// @param key data contracts (first code byte 0x00, the key's bytes after it), in order
    function verify(address[] calldata key, ReleaseStatement calldata statement, bytes calldata proof)
        external
        view
        returns (bool);

    /// @notice Identity of the set-up the key comes from; zero where the key alone identifies it.
    function srsId() external view returns (bytes32);
}
