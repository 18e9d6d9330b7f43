// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {MarketData} from "./MarketData.sol";

/// @title How money leaves a bounty
/// @dev Prizes and bond by checked subtraction from `held`, stakes by counting `staked` down, each into
/// the ledger: what a bounty does not hold, it cannot pay.
abstract contract MarketBooks is MarketData {
    function _pay(uint256 id, Stored storage b, address account, uint256 amount) internal {
        b.held -= uint112(amount);
        _credit(id, account, b.pot, amount);
    }

    function _returnStake(uint256 id, Stored storage b, address payout) internal {
        --b.staked;
        _credit(id, payout, address(0), b.stake);
    }

    /// @dev The first act of Claim writes down who may claim: the paid ranks, as far as there are any.
    function _openClaims(Stored storage b, uint256 start) internal {
        if (b.claimStart != 0 || b.rankedCount == 0) return;
        b.claimStart = uint40(start);
        uint8 first = b.rankedCount < b.prizeCount ? b.rankedCount : b.prizeCount;
        b.cursor = first;
        b.pending = first;
    }

    /// @dev Everything not burnt or promised to entries returns to the owner.
    function _settle(
        uint256 id,
        Stored storage b,
        IBountyMarket.Phase phase,
        uint256 lost,
        uint256 lostStakes,
        uint256 promised
    ) internal {
        b.settled = phase;
        b.held -= uint112(lost);
        _burn(b.pot, lost);
        _burn(address(0), lostStakes);
        uint256 residue = b.held - promised;
        _pay(id, b, b.owner, residue);
        emit IMarketEvents.BountySettled(id, phase, residue, lost, lostStakes, b.share);
    }
}
