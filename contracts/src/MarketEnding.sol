// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {MarketModule} from "./MarketModule.sol";

/// @title Ending: challenged shards, lapsed rounds, and every way a bounty ends
contract MarketEnding is MarketModule {
    uint256 private constant MAX_CHALLENGES = 16;

    constructor(IDatasetRegistry datasetRegistry_) MarketModule(datasetRegistry_) {}

    // ----------------------------------------------------- shard challenges

    function challengeShard(uint256 id, uint256 shard) external payable exclusive {
        Stored storage b = _answerable(id);
        if (b.mode == IBountyMarket.Mode.Open) revert IMarketErrors.ModeMismatch();
        uint256 end = uint256(b.revealedAt) + b.windows.challenge;
        if (block.timestamp >= end) revert IMarketErrors.ChallengesClosed(end);
        mapping(uint8 slot => StoredEntry) storage own = entries[id][msg.sender];
        if (
            own[0].state == IBountyMarket.EntryState.None && own[1].state == IBountyMarket.EntryState.None
        ) revert IMarketErrors.EntryUnknown(msg.sender, 0);
        if (shard >= b.shardCount) revert IMarketErrors.ShardUnknown(shard);
        ShardChallenges storage all = shardChallenges[id];
        bool used = b.lengths[shard] & USED != 0;
        if (used || (all.made >> shard) & 1 == 1) revert IMarketErrors.NotChallengeable(shard);
        if (b.challenges == MAX_CHALLENGES) revert IMarketErrors.TooManyChallenges();
        uint256 least = _answerBond(_length(b, shard));
        if (msg.value < least) revert IMarketErrors.ChallengeBondTooLow(msg.value, least);
        if (msg.value > type(uint96).max) revert IMarketErrors.ValueWrong(msg.value, type(uint96).max);
        IBountyMarket.Challenge storage free = _free(all);
        uint40 deadline = uint40(block.timestamp + b.windows.answer);
        all.made |= 1 << shard;
        ++b.challenges;
        if (b.overdueAt == 0) b.overdueAt = deadline;
        (free.target, free.deadline) = (uint16(shard), deadline);
        (free.bond, free.challenger) = (uint96(msg.value), msg.sender);
        emit IMarketEvents.ShardChallenged(id, msg.sender, shard, b.digests[shard], msg.value, deadline);
    }

    /// @dev The bounty, while its data are awaited or read.
    function _answerable(uint256 id) private view returns (Stored storage b) {
        b = _known(id);
        IBountyMarket.Phase phase = _phase(id, b);
        if (phase != IBountyMarket.Phase.Attest && phase != IBountyMarket.Phase.Prove) {
            revert IMarketErrors.PhaseWrong(phase);
        }
    }

    function _free(ShardChallenges storage all) private view returns (IBountyMarket.Challenge storage c) {
        for (uint256 i; i < MAX_OPEN_SHARDS; ++i) {
            c = all.open[i];
            if (c.challenger == address(0)) return c;
        }
        revert IMarketErrors.TooManyChallenges();
    }

    function answerShard(uint256 id, uint256 shard, bytes calldata data) external exclusive {
        Stored storage b = _answerable(id);
        (IBountyMarket.Challenge storage c, uint40 next) = _opened(shardChallenges[id], shard);
        if (sha256(data) != b.digests[shard]) revert IMarketErrors.AnswerWrong(shard);
        uint256 bond = c.bond;
        bool rewarded = msg.sender != c.challenger;
        delete c.bond;
        delete c.challenger;
        b.overdueAt = next;
        if (rewarded) _credit(id, msg.sender, address(0), bond);
        else _burn(address(0), bond);
        emit IMarketEvents.ShardAnswered(id, msg.sender, shard, rewarded);
    }

    /// @dev The open challenge of a shard, and the earliest deadline among the others.
    function _opened(ShardChallenges storage all, uint256 shard)
        private
        view
        returns (IBountyMarket.Challenge storage found, uint40 next)
    {
        uint256 place = MAX_OPEN_SHARDS;
        for (uint256 i; i < MAX_OPEN_SHARDS; ++i) {
            IBountyMarket.Challenge storage c = all.open[i];
            if (c.challenger == address(0)) continue;
            if (c.target == shard) place = i;
            else if (next == 0 || c.deadline < next) next = c.deadline;
        }
        if (place == MAX_OPEN_SHARDS) revert IMarketErrors.NotChallenged(shard);
        found = all.open[place];
    }

    function _returnBonds(uint256 id, Stored storage b) private {
        if (b.overdueAt == 0) return;
        b.overdueAt = 0;
        ShardChallenges storage all = shardChallenges[id];
        for (uint256 i; i < MAX_OPEN_SHARDS; ++i) {
            IBountyMarket.Challenge storage c = all.open[i];
            address challenger = c.challenger;
            if (challenger == address(0)) continue;
            uint256 bond = c.bond;
            delete c.bond;
            delete c.challenger;
            _credit(id, challenger, address(0), bond);
        }
    }

    function challengesOf(uint256 id) external view returns (IBountyMarket.Challenge[] memory open) {
        _known(id);
        ShardChallenges storage all = shardChallenges[id];
        open = new IBountyMarket.Challenge[](MAX_OPEN_SHARDS);
        uint256 count;
        for (uint256 i; i < MAX_OPEN_SHARDS; ++i) {
            if (all.open[i].challenger != address(0)) open[count++] = all.open[i];
        }
        assembly ("memory-safe") {
            mstore(open, count)
        }
    }

    // --------------------------------------------------------------- rounds

    function lapse(uint256 id) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Claim);
        (uint256 start, uint256 end) = _round(b);
        _openClaims(b, start);
        if (b.pending == 0 || block.timestamp < end) revert IMarketErrors.NothingLapsed();
        _lapse(id, b);
    }

    /// @dev The best open prize goes to the best reserve. Nobody's window shrinks because this call
    /// came late: the next round starts now.
    function _lapse(uint256 id, Stored storage b) private {
        uint256 given = b.cursor;
        uint256 next = given;
        uint256 count = b.rankedCount;
        uint256 start = block.timestamp + b.windows.gap;
        for (uint256 i; i < given; ++i) {
            StoredRow storage row = b.board[i];
            StoredEntry storage e = entries[id][row.hunter][row.slot];
            // Its inspection decides first whether its prize is open.
            if (e.state == IBountyMarket.EntryState.Claiming) {
                revert IMarketErrors.ClaimPending(listings[id][row.hunter][row.slot].until);
            }
            if (e.state != IBountyMarket.EntryState.Ranked) continue;
            e.state = IBountyMarket.EntryState.Lapsed;
            uint8 prize = _prizeOf(b, i);
            emit IMarketEvents.EntryLapsed(id, row.hunter, row.slot, prize);
            if (next < count) {
                StoredRow storage reserve = b.board[next++];
                reserve.prize = prize;
                emit IMarketEvents.EntryPromoted(id, reserve.hunter, reserve.slot, prize, start);
            }
        }
        b.cursor = uint8(next);
        b.pending = uint8(next - given);
        b.claimStart = uint40(start);
    }

    // ------------------------------------------------------------ the ends

    function finalize(uint256 id) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Claim);
        (uint256 start, uint256 end) = _round(b);
        _openClaims(b, start);
        if (b.pending != 0) {
            if (block.timestamp >= end) {
                _lapse(id, b);
                (, end) = _round(b);
            }
            if (b.pending != 0) revert IMarketErrors.ClaimsPending(end);
        }
        uint256 lostStakes = _settleBoard(id, b);
        if (b.broken) {
            _settle(id, b, IBountyMarket.Phase.Defaulted, 0, lostStakes, uint256(b.share) * b.entrants);
        } else {
            _settle(id, b, IBountyMarket.Phase.Closed, 0, lostStakes, 0);
        }
    }

    /// @dev Reserves get their stakes back. A lapsed stake is shared by the claimed ranks after it;
    /// without any it is lost, as are the divisions' remainders. Never does the owner get it: a
    /// lapse must not pay whoever could provoke it.
    function _settleBoard(uint256 id, Stored storage b) private returns (uint256 lost) {
        uint256 stake = b.stake;
        uint256 after_ = b.paidCount;
        uint256 portion;
        uint256 count = b.rankedCount;
        for (uint256 i; i < count; ++i) {
            StoredRow storage row = b.board[i];
            StoredEntry storage e = entries[id][row.hunter][row.slot];
            if (e.state == IBountyMarket.EntryState.Claimed) {
                --after_;
                _credit(id, e.payout, address(0), portion);
            } else if (e.state == IBountyMarket.EntryState.Lapsed) {
                --b.staked;
                uint256 each = after_ == 0 ? 0 : stake / after_;
                portion += each;
                lost += stake - each * after_;
            } else {
                e.state = IBountyMarket.EntryState.Refunded;
                _returnStake(id, b, e.payout);
                emit IMarketEvents.EntryRefunded(id, row.hunter, row.slot, stake, 0);
            }
        }
    }

    function timeout(uint256 id) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Defaulted);
        if (b.settled != IBountyMarket.Phase.None) revert IMarketErrors.PhaseWrong(IBountyMarket.Phase.Defaulted);
        _returnBonds(id, b);
        if (b.rankedCount == 0) {
            _loseBond(id, b, IBountyMarket.Phase.Defaulted);
            return;
        }
        // Who proved everything is paid as usual: only the bond is settled now.
        (uint256 share, uint256 lost) = _cutBond(b);
        b.broken = true;
        b.held -= uint112(lost);
        _burn(b.pot, lost);
        uint256 start = block.timestamp + b.windows.gap;
        _openClaims(b, start);
        emit IMarketEvents.BondLost(id, lost, share, start);
    }

    function cancel(uint256 id, uint32 mostEntrants) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        if (msg.sender != b.owner) revert IMarketErrors.NotOwner(msg.sender);
        // Else whoever sees the cancellation enters first, for half the bond.
        if (b.entrants > mostEntrants) revert IMarketErrors.TooManyEntrants(b.entrants, mostEntrants);
        if (b.rankedCount != 0) revert IMarketErrors.CancelTooLate();
        _loseBond(id, b, IBountyMarket.Phase.Cancelled);
    }

    function _loseBond(uint256 id, Stored storage b, IBountyMarket.Phase phase) private {
        if (b.entrants == 0) {
            // Once the beacon has spoken, another bounty would be another draw: that must cost something.
            bool spoken = b.drawn != DrawPhase.None && block.number > draws[id].beaconBlock;
            _settle(id, b, phase, spoken ? b.bond - b.bond / 2 : 0, 0, 0);
            return;
        }
        (uint256 share, uint256 lost) = _cutBond(b);
        _settle(id, b, phase, lost, 0, share * b.entrants);
    }

    /// @dev Half the bond to the entries, half burnt: an owner who enters its own bounty under other
    /// names still loses half. What the division leaves over is burnt too.
    function _cutBond(Stored storage b) private returns (uint256 share, uint256 lost) {
        uint256 entrants = b.entrants;
        share = b.bond / 2 / entrants;
        lost = b.bond - share * entrants;
        b.share = uint96(share);
    }

    function refund(uint256 id, address hunter, uint8 slot) external exclusive {
        Stored storage b = _known(id);
        StoredEntry storage e = entries[id][hunter][slot];
        IBountyMarket.EntryState state = e.state;
        if (b.settled == IBountyMarket.Phase.None || state == IBountyMarket.EntryState.None) {
            revert IMarketErrors.NothingToRefund();
        }
        // Scored and ranked entries had their stake already; a lost bond owes every entry its share.
        uint256 share = e.shared ? 0 : b.share;
        bool staked = state == IBountyMarket.EntryState.Committed;
        if (!staked && share == 0) revert IMarketErrors.NothingToRefund();
        e.shared = true;
        if (staked || state == IBountyMarket.EntryState.Proved) e.state = IBountyMarket.EntryState.Refunded;
        if (staked) _returnStake(id, b, e.payout);
        _pay(id, b, e.payout, share);
        emit IMarketEvents.EntryRefunded(id, hunter, slot, staked ? b.stake : 0, share);
    }
}
