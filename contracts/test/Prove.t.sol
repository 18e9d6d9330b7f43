// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {ScoreStatement} from "../src/interfaces/IScoreVerifier.sol";
import {Base} from "./Base.sol";
import {ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice Proofs, scores and the board.
contract ProveTest is Base {
    uint256 private id;

    function setUp() public {
        setUpWorld();
        id = inProve(sealedParams(), 6);
    }

    function test_prove_sums_the_shards() public {
        prove(id, 0, 0, 1, 50);
        IBountyMarket.Entry memory e = market.entryOf(id, hunter(0), 0);
        eq(e.score, 50, "first");
        eq(e.proved, 2, "bitmap");
        eq(e.model, model(0, 0), "C is open");
        check(e.state == IBountyMarket.EntryState.Committed, "not scored yet");
        prove(id, 0, 0, 0, 60);
        e = market.entryOf(id, hunter(0), 0);
        eq(e.score, 110, "sum");
        check(e.state == IBountyMarket.EntryState.Ranked, "ranked");
    }

    function test_records_are_counted_behind_the_header() public {
        IBountyMarket.Params memory p = sealedParams();
        (p.schema.offset, p.schema.stride, p.schema.featuresAt, p.schema.labelAt) = (70, 66, 1, 0);
        // The header alone is more than a record: 64 of them, not 65.
        uint32 length = 70 + 64 * 66;
        (p.lengths[0], p.lengths[1]) = (length, length);
        bytes32[] memory d = new bytes32[](2);
        (d[0], d[1]) = (digest(7), digest(8));
        p.holdout = holdoutOf(salt, d);
        id = create(p);
        commit(id, 0, 0);
        vm.warp(uint256(p.windows.commitEnd) + p.windows.gap);
        market.reveal(id, salt, d);
        attestShard(7, length);
        attestShard(8, length);
        market.attest(id);
        ScoreStatement memory x = scoreStatement(id, 0, 0, 0, 64);
        x.s = shardCommitment(7);
        x.n = 65;
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), err(IMarketErrors.ProofInvalid.selector));
        x.n = 64;
        send(hunter(0), 0, proveCall(id, 0, 0, x));
        eq(market.entryOf(id, hunter(0), 0).score, 64, "score");
    }

    function test_one_shard_is_proved_once() public {
        prove(id, 0, 0, 0, 64);
        bytes memory again = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 64));
        refuses(hunter(0), 0, again, err(IMarketErrors.ShardAlreadyProved.selector, 0));
        prove(id, 0, 0, 1, 64);
        refuses(hunter(0), 0, again, err(IMarketErrors.ShardAlreadyProved.selector, 0));
    }

    function test_a_stolen_proof_is_refused() public {
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 64));
        refuses(hunter(1), 0, data, err(IMarketErrors.CommitmentMismatch.selector));
        refuses(hunter(9), 0, data, abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, hunter(9), 0));
    }

    function test_a_copied_commitment_opens_nothing() public {
        id = create(sealedParams());
        commit(id, 0, 0);
        bytes32 copied = commitment(id, 0, 0);
        send(hunter(1), 0.06 ether, abi.encodeCall(IBountyMarket.commit, (id, 0, copied, scoreVk, payout(1))));
        reveal(id);
        attest(id);
        prove(id, 0, 0, 0, 64);
        // C is public now; h binds the hunter all the same.
        ScoreStatement memory x = scoreStatement(id, 0, 0, 0, 64);
        refuses(hunter(1), 0, proveCall(id, 0, 0, x), err(IMarketErrors.CommitmentMismatch.selector));
        x.ctx = context(id, hunter(1), 0);
        refuses(hunter(1), 0, proveCall(id, 0, 0, x), err(IMarketErrors.CommitmentMismatch.selector));
    }

    function test_a_proof_of_another_bounty_or_slot_is_refused() public {
        uint256 other = create(sealedParams());
        commit(other, 0, 0);
        commit(other, 0, 1);
        reveal(other);
        attest(other);
        bytes memory proof = scoreProof(scoreStatement(id, 0, 0, 0, 64));
        uint256 results = scoreStatement(id, 0, 0, 0, 64).R;
        // The commitment opens, with the context of this bounty: the proof was made for another.
        refuses(
            hunter(0),
            0,
            abi.encodeCall(IBountyMarket.prove, (other, 0, model(0, 0), 0, 64, results, proof)),
            err(IMarketErrors.ProofInvalid.selector)
        );
        refuses(
            hunter(0),
            0,
            abi.encodeCall(IBountyMarket.prove, (other, 1, model(0, 1), 0, 64, results, proof)),
            err(IMarketErrors.ProofInvalid.selector)
        );
    }

    function test_a_proof_of_another_chain_is_refused() public {
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 64));
        vm.chainId(1337);
        refuses(hunter(0), 0, data, err(IMarketErrors.CommitmentMismatch.selector));
    }

    function test_the_contract_builds_the_inputs() public {
        bytes memory refusal = err(IMarketErrors.ProofInvalid.selector);
        ScoreStatement memory x = scoreStatement(id, 0, 0, 0, 64);
        x.s = shardCommitment(1);
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), refusal);
        x = scoreStatement(id, 0, 0, 0, 64);
        x.n = 65;
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), refusal);
        x = scoreStatement(id, 0, 0, 0, 63);
        bytes memory proof = scoreProof(x);
        refuses(
            hunter(0), 0, abi.encodeCall(IBountyMarket.prove, (id, 0, x.C, 0, 64, x.R, proof)), refusal
        );
        refuses(
            hunter(0), 0, abi.encodeCall(IBountyMarket.prove, (id, 0, x.C, 0, 63, x.R ^ 1, proof)), refusal
        );
        // a proof of shard 0 offered for shard 1
        refuses(hunter(0), 0, proveCall(id, 0, 1, x), refusal);
    }

    function test_prove_refuses_values_out_of_range() public {
        ScoreStatement memory x = scoreStatement(id, 0, 0, 0, 64);
        x.C += R;
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), err(IMarketErrors.NotAFieldElement.selector, x.C));
        x = scoreStatement(id, 0, 0, 0, 64);
        x.R = R;
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), err(IMarketErrors.NotAFieldElement.selector, R));
        x = scoreStatement(id, 0, 0, 0, 65);
        refuses(hunter(0), 0, proveCall(id, 0, 0, x), err(IMarketErrors.ScoreTooHigh.selector, 65, 64));
        x = scoreStatement(id, 0, 0, 0, 64);
        refuses(hunter(0), 0, proveCall(id, 0, 2, x), err(IMarketErrors.ShardUnknown.selector, 2));
        bytes memory none = abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, hunter(0), 1);
        refuses(hunter(0), 0, proveCall(id, 1, 0, x), none);
        refuses(hunter(0), 0, proveCall(77, 0, 0, x), err(IMarketErrors.BountyUnknown.selector, 77));
    }

    function test_prove_keeps_its_window() public {
        bytes4 e = IMarketErrors.PhaseWrong.selector;
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 64));
        uint256 end = market.proveEndOf(id);
        vm.warp(end);
        refuses(hunter(0), 0, data, err(e, uint256(IBountyMarket.Phase.Claim)));
        vm.warp(end - 1);
        send(hunter(0), 0, data);
        // a sealed bounty takes no proof during Commit
        uint256 fresh = create(sealedParams());
        commit(fresh, 0, 0);
        data = proveCall(fresh, 0, 0, scoreStatement(fresh, 0, 0, 0, 64));
        refuses(hunter(0), 0, data, err(e, uint256(IBountyMarket.Phase.Commit)));
    }

    function test_an_adapter_whose_code_changed_is_refused() public {
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 64));
        address adapter = keys.key(scoreVk).adapter;
        vm.etch(adapter, hex"600160005260206000f3"); // says yes to everything
        bytes4 e = IKeyRegistry.AdapterChanged.selector;
        refuses(hunter(0), 0, data, abi.encodeWithSelector(e, scoreVk, adapter));
    }

    function test_an_entry_proves_with_the_key_it_committed_to() public {
        bytes32 second = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "second", releaseVk);
        IBountyMarket.Params memory p = sealedParams();
        p.scoreVkIds = new bytes32[](2);
        (p.scoreVkIds[0], p.scoreVkIds[1]) = (second, scoreVk);
        id = inProve(p, 1);
        check(market.entryOf(id, hunter(0), 0).vkId == scoreVk, "key");
        prove(id, 0, 0, 0, 64);
        (bytes32 first, uint256 ctx) = (scoreVk, context(id, hunter(0), 0));
        scoreVk = second;
        check(context(id, hunter(0), 0) != ctx, "the context binds the key");
        bytes memory data = proveCall(id, 0, 1, scoreStatement(id, 0, 0, 1, 64));
        refuses(hunter(0), 0, data, err(IMarketErrors.ProofInvalid.selector));
        scoreVk = first;
        prove(id, 0, 0, 1, 64);
    }

    // ---------------------------------------------------------------- board

    function test_a_tie_goes_to_the_earlier_commitment() public {
        proveAll(id, 5, 0, 120);
        proveAll(id, 2, 0, 120);
        proveAll(id, 4, 0, 120);
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        check(rows[0].hunter == hunter(2), "first");
        check(rows[1].hunter == hunter(4), "second");
        check(rows[2].hunter == hunter(5), "third");
    }

    function test_a_full_board_gives_the_last_its_stake_back() public {
        id = inProve(sealedParams(), 8); // 2 prizes and 4 reserves
        for (uint256 i; i < 6; ++i) {
            proveAll(id, i, 0, uint32(100 + i));
        }
        eq(market.boardOf(id).length, 6, "full");
        proveAll(id, 6, 0, 103);
        eq(owed(payout(0)), 0.06 ether, "pushed off");
        check(market.entryOf(id, hunter(0), 0).state == IBountyMarket.EntryState.Proved, "scored, not ranked");
        proveAll(id, 7, 0, 101); // a tie with the last, committed later
        eq(owed(payout(7)), 0.06 ether, "never on");
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows.length, 6, "still full");
        check(rows[5].hunter == hunter(1) && rows[2].hunter == hunter(3) && rows[3].hunter == hunter(6), "order");
    }

    /// @dev A whole bounty a run: the one fuzz test that is not cheap.
    /// forge-config: default.fuzz.runs = 256
    function test_fuzz_the_board_is_the_sorted_list(uint32[8] memory scores, uint256 order) public {
        id = inProve(sealedParams(), 8);
        bool[8] memory done;
        for (uint256 k; k < 8; ++k) {
            uint256 i = order % 8;
            order = uint256(keccak256(abi.encode(order)));
            while (done[i]) i = (i + 1) % 8;
            done[i] = true;
            scores[i] = 90 + scores[i] % 39;
            proveAll(id, i, 0, scores[i]);
        }
        // Selection, the slow way: best score first, earlier commitment on ties.
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        bool[8] memory taken;
        uint256 place;
        for (; place < 6; ++place) {
            uint256 best = 8;
            for (uint256 i; i < 8; ++i) {
                if (taken[i] || scores[i] < 100) continue;
                if (best == 8 || scores[i] > scores[best]) best = i;
            }
            if (best == 8) break;
            taken[best] = true;
            check(rows[place].hunter == hunter(best), "place");
            eq(rows[place].score, scores[best], "score");
        }
        eq(rows.length, place, "length");
        for (uint256 i; i < 8; ++i) {
            eq(owed(payout(i)), taken[i] ? 0 : 0.06 ether, "stake");
        }
    }
}
