// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The SRS of a KZG verifier: tau in G2, and the pairing that uses it
/// @dev The SRS is part of the code, so that a vkId names it with the code hash.
abstract contract Srs {
    /// @notice The constructor's point is no point of the prime-order subgroup of G2.
    error SrsInvalid();

    /// @dev Order of the scalar field. Immutable and not constant: the compiler would replace a
    /// literal that is used this often by a copy from code, at 30 gas for every operation.
    uint256 internal immutable _order = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// @dev tau in G2, in the order of EIP-197: x_im, x_re, y_im, y_re.
    uint256 private immutable _tauXIm;
    uint256 private immutable _tauXRe;
    uint256 private immutable _tauYIm;
    uint256 private immutable _tauYRe;
    bytes32 private immutable _srsId;

    /// @param tau tau in G2 in the order of EIP-197
    constructor(uint256[4] memory tau) {
        // The pairing precompile refuses a point off the curve or outside the subgroup. Paired with
        // the generator of G1 it gives one only for the point at infinity, which is refused too.
        uint256[6] memory input = [uint256(1), 2, tau[0], tau[1], tau[2], tau[3]];
        uint256 isOne;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, input, 192, 0, 32)
            isOne := mload(0)
        }
        if (!ok || isOne != 0) revert SrsInvalid();
        (_tauXIm, _tauXRe, _tauYIm, _tauYRe) = (tau[0], tau[1], tau[2], tau[3]);
        _srsId = keccak256(
            abi.encode(
                uint256(1),
                uint256(2),
                0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
                0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
                0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
                0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa,
                tau[0],
                tau[1],
                tau[2],
                tau[3]
            )
        );
    }

    /// @notice keccak256 of the generators and tau in G2, uncompressed: the same for every size.
    function srsId() public view virtual returns (bytes32) {
        return _srsId;
    }

    /// @dev Whether e(opening, tau) = e(sum, G2), with the sum in `buffer` and 320 bytes free behind it.
    function _pair(uint256 opening, uint256 buffer) internal view returns (bool ok) {
        uint256 xIm = _tauXIm;
        uint256 xRe = _tauXRe;
        uint256 yIm = _tauYIm;
        uint256 yRe = _tauYRe;
        assembly ("memory-safe") {
            // The sum against minus the generator of G2.
            mstore(add(buffer, 64), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2)
            mstore(add(buffer, 96), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
            mstore(add(buffer, 128), 0x275dc4a288d1afb3cbb1ac09187524c7db36395df7be3b99e673b13a075a65ec)
            mstore(add(buffer, 160), 0x1d9befcd05a5323e6da4d435f3b617cdb3af83285c2df711ef39c01571827f9d)
            mcopy(add(buffer, 192), opening, 64)
            mstore(add(buffer, 256), xIm)
            mstore(add(buffer, 288), xRe)
            mstore(add(buffer, 320), yIm)
            mstore(add(buffer, 352), yRe)
            // In two statements: Yul evaluates arguments from the right.
            ok := staticcall(gas(), 8, buffer, 384, 0, 32)
            ok := and(ok, eq(mload(0), 1))
        }
    }
}
