// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Groth16 over BN254 with eight public inputs, its key in a data contract
/// @notice One audited piece of code serves every set-up of such a circuit: a new key is data.
/// @dev Key bytes, 1,056 of them: a 32-byte mark of the key's origin (read by nodes, not here), then
/// alpha (G1), beta, gamma, delta (G2), and nine G1 points: one for the constant one and one per input.
/// Proof bytes, 256 of them: A (G1), B (G2), C (G1). Coordinates are 32 bytes, big-endian, G2 in
/// EIP-197's order. Every check of curve, subgroup and coordinate range is the precompiles' own.
/// Accepts when e(A, B) = e(alpha, beta) · e(L, gamma) · e(C, delta), L = IC₀ + Σ inputᵢ · ICᵢ₊₁.
abstract contract Groth16Verifier {
    /// @notice The key is one data contract of exactly the key's size.
    error KeyShape();
    /// @notice gamma, delta and the generator must differ up to sign, or anyone can forge proofs.
    error KeyDegenerate();

    /// @dev Order of the groups: inputs lie below it.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Modulus of the coordinates.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev x-coordinate of the generator of G2, imaginary part first.
    uint256 private constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;

    uint256 private constant INPUTS = 8;
    uint256 private constant KEY_BYTES = 32 + 64 + 3 * 128 + 64 * (INPUTS + 1);
    uint256 private constant PROOF_BYTES = 256;

    /// @notice Whether `proof` proves the statement with these public inputs.
    /// @dev False for a proof of another length, an input or coordinate that is not canonical, a point
    /// at infinity, off its curve or outside its subgroup, and an equation that does not hold.
    function _verify(address[] calldata key, uint256[INPUTS] memory inputs, bytes calldata proof)
        internal
        view
        returns (bool ok)
    {
        if (key.length != 1 || key[0].code.length != KEY_BYTES + 1) revert KeyShape();
        if (proof.length != PROOF_BYTES) return false;
        for (uint256 i; i < INPUTS; ++i) {
            if (inputs[i] >= R) return false;
        }
        // Four pairs of 192 bytes: (-A, B), (alpha, beta), (L, gamma), (C, delta).
        uint256[24] memory pairs;
        _readKey(key[0], pairs);
        if (!_readProof(proof, pairs)) return false;
        if (!_combine(key[0], inputs, pairs)) return false;
        assembly ("memory-safe") {
            // One statement a step: Yul evaluates the last argument of an expression first.
            ok := staticcall(gas(), 8, pairs, 768, 0, 32)
            if ok { ok := eq(mload(0), 1) }
        }
    }

    /// @dev alpha, beta, gamma and delta into their places.
    function _readKey(address key, uint256[24] memory pairs) private view {
        assembly ("memory-safe") {
            // After the code's STOP and the mark.
            extcodecopy(key, add(pairs, 192), 33, 192)
            extcodecopy(key, add(pairs, 448), 225, 128)
            extcodecopy(key, add(pairs, 640), 353, 128)
        }
        // Equal x means equal up to sign. With gamma = ±delta, or a generator left in their place, C
        // absorbs any change of the inputs.
        (uint256 gamma1, uint256 gamma0) = (pairs[14], pairs[15]);
        (uint256 delta1, uint256 delta0) = (pairs[20], pairs[21]);
        if (
            (gamma1 == delta1 && gamma0 == delta0) || (gamma1 == G2_X1 && gamma0 == G2_X0)
                || (delta1 == G2_X1 && delta0 == G2_X0)
        ) revert KeyDegenerate();
    }

    /// @dev -A, B and C into their places; false for infinity and for an A whose negative is undefined.
    function _readProof(bytes calldata proof, uint256[24] memory pairs) private pure returns (bool) {
        assembly ("memory-safe") {
            calldatacopy(pairs, proof.offset, 192)
            calldatacopy(add(pairs, 576), add(proof.offset, 192), 64)
        }
        uint256 y = pairs[1];
        // No point of the curve has y = 0: it only occurs at infinity.
        if (y == 0 || y >= Q) return false;
        pairs[1] = Q - y;
        return (pairs[2] | pairs[3] | pairs[4] | pairs[5]) != 0 && (pairs[18] | pairs[19]) != 0;
    }

    /// @dev L = IC₀ + Σ inputᵢ · ICᵢ₊₁ into its place; false when a precompile refuses a key point.
    function _combine(address key, uint256[INPUTS] memory inputs, uint256[24] memory pairs)
        private
        view
        returns (bool ok)
    {
        // 0: L so far; 2: product; 4: ICᵢ₊₁ and inputᵢ.
        uint256[7] memory work;
        assembly ("memory-safe") {
            let product := add(work, 64)
            let term := add(work, 128)
            extcodecopy(key, work, 481, 64)
            ok := 1
            for { let i := 0 } lt(i, INPUTS) { i := add(i, 1) } {
                extcodecopy(key, term, add(545, mul(i, 64)), 64)
                mstore(add(term, 64), mload(add(inputs, mul(i, 32))))
                // A refusing precompile keeps all gas it was given: stop at the first.
                ok := staticcall(gas(), 7, term, 96, product, 64)
                if iszero(ok) { break }
                ok := staticcall(gas(), 6, work, 128, work, 64)
                if iszero(ok) { break }
            }
            mcopy(add(pairs, 384), work, 64)
        }
    }
}
