// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Tokens} from "./libraries/Tokens.sol";

/// @title One bounty's tokens
/// @notice Each bounty in a token has a pot of its own, so that what a token takes away from one bounty
/// is not missing in another.
contract TokenPot {
    /// @notice The market that created the pot, and alone pays from it.
    address public immutable market;
    /// @notice What is in it.
    address public immutable token;

    /// @notice Only the market pays from its pots.
    error NotTheMarket();

    constructor(address token_) {
        market = msg.sender;
        token = token_;
    }

    /// @notice Whether the token says that it moved `amount` to `to`.
    function pay(address to, uint256 amount) external returns (bool) {
        if (msg.sender != market) revert NotTheMarket();
        return Tokens.transfer(token, to, amount);
    }
}
