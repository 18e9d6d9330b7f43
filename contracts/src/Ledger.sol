// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {TokenPot} from "./TokenPot.sol";

/// @title What the market owes outside its bounties
/// @dev Pull payments: no call goes out while a bounty's books are open. An asset is ether (zero
/// address) or one bounty's pot of tokens. Ether held equals what the bounties hold, plus what accounts
/// are owed, plus what is burnt; so does each pot's token.
abstract contract Ledger {
    mapping(address asset => mapping(address account => uint256)) internal owed;
    mapping(address asset => uint256) internal locked;
    bool private transient entered;

    /// @dev One call at a time, whatever an adapter, a token or a payee does. Core and modules share it:
    /// the flag is the market's transient storage.
    modifier exclusive() {
        _enter();
        _;
        entered = false;
    }

    function _enter() internal virtual {
        if (entered) revert IMarketErrors.Reentered();
        entered = true;
    }

    function _withdraw(address asset) internal {
        uint256 amount = owed[asset][msg.sender];
        if (amount == 0) revert IMarketErrors.NothingOwed();
        owed[asset][msg.sender] = 0;
        emit IMarketEvents.Withdrawn(msg.sender, asset, amount);
        bool ok;
        if (asset == address(0)) {
            address to = msg.sender;
            // By hand, so that nothing a payee returns is copied.
            assembly ("memory-safe") {
                ok := call(gas(), to, amount, 0, 0, 0, 0)
            }
        } else {
            ok = TokenPot(asset).pay(msg.sender, amount);
        }
        if (!ok) revert IMarketErrors.TransferFailed();
    }

    function _credit(uint256 id, address account, address asset, uint256 amount) internal {
        if (amount == 0) return;
        owed[asset][account] += amount;
        emit IMarketEvents.Credited(id, account, asset, amount);
    }

    function _burn(address asset, uint256 amount) internal {
        if (amount != 0) locked[asset] += amount;
    }
}
