// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";

/// @title What the market owes outside its bounties
/// @dev Pull payments: no call goes out while a bounty's books are open. Ether held equals what the
/// bounties hold, plus what accounts are owed, plus what is burnt.
abstract contract Ledger is IBountyMarket {
    mapping(address account => uint256) private owed;
    /// @inheritdoc IBountyMarket
    uint256 public burnt;
    bool private transient entered;

    /// @dev One call at a time, whatever an adapter or a payee does.
    modifier exclusive() {
        if (entered) revert Reentered();
        entered = true;
        _;
        entered = false;
    }

    /// @inheritdoc IBountyMarket
    function withdraw(address token) external exclusive {
        if (token != address(0)) revert TokenNotSupported(token);
        uint256 amount = owed[msg.sender];
        if (amount == 0) revert NothingOwed();
        owed[msg.sender] = 0;
        emit Withdrawn(msg.sender, token, amount);
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert TransferFailed();
    }

    /// @inheritdoc IBountyMarket
    function owedTo(address token, address account) external view returns (uint256) {
        return token == address(0) ? owed[account] : 0;
    }

    function _credit(uint256 id, address account, uint256 amount) internal {
        owed[account] += amount;
        emit Credited(id, account, amount);
    }

    function _burn(uint256 amount) internal {
        burnt += amount;
    }
}
