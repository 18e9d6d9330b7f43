// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {Base} from "./Base.sol";
import {ScoreDouble} from "./mocks/Verifiers.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Keys that hunters bring, and what is said of them.
contract KeysTest is Base {
    uint256 private id;
    bytes32 private mine;

    function setUp() public {
        setUpWorld();
        id = create(sealedParams());
        mine = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "mine", releaseVk);
    }

    function proposeCall(bytes32 vkId) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.proposeKey, (id, vkId, bytes32(uint256(5))));
    }

    function acceptCall(bytes32 vkId) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.acceptKey, (id, vkId));
    }

    function test_a_hunter_proposes_and_the_owner_accepts() public {
        bytes32 h = keccak256("h");
        bytes memory enter = abi.encodeCall(IBountyMarket.commit, (id, 0, h, mine, payout(1)));
        refuses(hunter(1), 0.06 ether, enter, err(IMarketErrors.KeyNotAccepted.selector, uint256(mine)));
        vm.recordLogs();
        send(hunter(1), 0, proposeCall(mine));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        check(logs.length == 1 && logs[0].topics[0] == IMarketEvents.KeyProposed.selector, "an event and nothing else");
        check(logs[0].topics[2] == bytes32(uint256(uint160(hunter(1)))), "who");
        check(keccak256(logs[0].data) == keccak256(abi.encode(mine, uint256(5))), "key and architecture");
        refuses(hunter(1), 0, acceptCall(mine), abi.encodeWithSelector(IMarketErrors.NotOwner.selector, hunter(1)));
        send(owner, 0, acceptCall(mine));
        check(market.scoreKeysOf(id)[1] == mine, "listed");
        send(hunter(1), 0.06 ether, enter);
        refuses(owner, 0, acceptCall(mine), err(IMarketErrors.KeyAlreadyAccepted.selector, uint256(mine)));
        refuses(hunter(1), 0, proposeCall(mine), err(IMarketErrors.KeyAlreadyAccepted.selector, uint256(mine)));
    }

    function test_only_score_keys_and_only_eight() public {
        refuses(hunter(1), 0, proposeCall(releaseVk), err(IMarketErrors.KeyRoleWrong.selector, uint256(releaseVk)));
        refuses(owner, 0, acceptCall(0), err(IMarketErrors.KeyRoleWrong.selector, 0));
        address adapter = address(new ScoreDouble());
        for (uint256 k; k < 7; ++k) {
            send(owner, 0, acceptCall(registerKey(IKeyRegistry.Role.Score, adapter, abi.encode(k), releaseVk)));
        }
        refuses(owner, 0, acceptCall(mine), err(IMarketErrors.KeyCountInvalid.selector, 9));
        refuses(hunter(0), 0, proposeCall(mine), err(IMarketErrors.KeyCountInvalid.selector, 9));
    }

    /// @dev Who is in knows the rules it entered under: no key comes in after Commit.
    function test_keys_are_accepted_during_commit_only() public {
        commit(id, 0, 0);
        vm.warp(commitEnd(id));
        bytes memory e = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Reveal));
        refuses(owner, 0, acceptCall(mine), e);
        refuses(hunter(1), 0, proposeCall(mine), e);
    }

    // ------------------------------------------------------------- registry

    function test_a_score_key_comes_with_its_architecture_and_srs() public {
        check(keys.describedAs(mine, sha256("a graph")), "described at registration");
        check(keys.srsOf(mine) == keccak256("double") && keys.srsOf(bytes32(uint256(1))) == 0, "SRS");
        check(!keys.describedAs(mine, keccak256("another")), "not otherwise");
        address[] memory chunks = new address[](1);
        chunks[0] = keys.storeChunk("bare");
        address adapter = address(new ScoreDouble());
        bytes memory bare =
            abi.encodeCall(IKeyRegistry.register, (IKeyRegistry.Role.Score, adapter, chunks, releaseVk, 0, ""));
        bytes4 e = IKeyRegistry.ArchitectureInvalid.selector;
        refusesAt(address(keys), owner, 0, bare, abi.encodeWithSelector(e, IKeyRegistry.Role.Score, 0));
        bytes memory dressed =
            abi.encodeCall(IKeyRegistry.register, (IKeyRegistry.Role.Mint, adapter, chunks, 0, bytes32(uint256(1)), ""));
        refusesAt(address(keys), owner, 0, dressed, abi.encodeWithSelector(e, IKeyRegistry.Role.Mint, 1));
    }

    /// @dev Who registers first may name a wrong graph; the right one can still be named.
    function test_a_lie_about_an_architecture_closes_nothing() public {
        vm.prank(hunter(4));
        keys.describe(mine, keccak256("the right one"));
        check(keys.describedAs(mine, keccak256("the right one")), "named");
        check(keys.describedAs(mine, sha256("a graph")), "beside the other");
        bytes memory unknown = abi.encodeCall(IKeyRegistry.describe, (bytes32(uint256(9)), bytes32(uint256(1))));
        refusesAt(address(keys), owner, 0, unknown, err(IKeyRegistry.KeyUnknown.selector, 9));
        bytes4 e = IKeyRegistry.ArchitectureInvalid.selector;
        bytes memory other = abi.encodeCall(IKeyRegistry.describe, (releaseVk, bytes32(uint256(1))));
        refusesAt(address(keys), owner, 0, other, abi.encodeWithSelector(e, IKeyRegistry.Role.Release, 1));
        bytes memory none = abi.encodeCall(IKeyRegistry.describe, (mine, bytes32(0)));
        refusesAt(address(keys), owner, 0, none, abi.encodeWithSelector(e, IKeyRegistry.Role.Score, 0));
    }
}
