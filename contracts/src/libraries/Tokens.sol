// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Calls to tokens nobody vouches for
/// @notice A token may return nothing, false, or a megabyte: only one word of an answer is ever copied.
library Tokens {
    /// @notice Whether the token says that it moved `amount` from the caller to `to`.
    function transfer(address token, address to, uint256 amount) internal returns (bool) {
        return _says(token, abi.encodeWithSignature("transfer(address,uint256)", to, amount));
    }

    /// @notice Whether the token says that it moved `amount` from `from` to `to`.
    function transferFrom(address token, address from, address to, uint256 amount) internal returns (bool) {
        return _says(token, abi.encodeWithSignature("transferFrom(address,address,uint256)", from, to, amount));
    }

    /// @notice Balance by the token's word; zero when it gives none.
    function balanceOf(address token, address account) internal view returns (uint256 amount) {
        bytes memory data = abi.encodeWithSignature("balanceOf(address)", account);
        assembly ("memory-safe") {
            let ok := staticcall(gas(), token, add(data, 32), mload(data), 0, 32)
            if and(ok, gt(returndatasize(), 31)) { amount := mload(0) }
        }
    }

    /// @dev Success and nothing returned (tokens older than EIP-20's bool), or the word 1.
    function _says(address token, bytes memory data) private returns (bool done) {
        assembly ("memory-safe") {
            let ok := call(gas(), token, 0, add(data, 32), mload(data), 0, 32)
            switch returndatasize()
            case 0 { done := ok }
            default { done := and(ok, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
    }
}
