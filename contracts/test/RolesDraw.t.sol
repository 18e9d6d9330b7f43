// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {Base} from "./Base.sol";
import {ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice The table of RolesTest, continued: every state of a draw, every function that can meet it, every role.
/// @dev Three shards, of which the beacon makes one public.
contract RolesDrawTest is Base {
    enum State {
        Waiting,
        Spoken,
        Drawn,
        Opened,
        Overdue
    }
    enum Role {
        Owner,
        Entrant,
        Stranger
    }

    uint256 private constant FUNCTIONS = 9;
    uint256 private id;
    uint256 private beacon;
    uint256 private drawn;
    bytes32 private mine;

    function leafSalt(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF_SALT"), salt, j));
    }

    function leaf(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF"), j, leafSalt(j), digest(j)));
    }

    function node(bytes32 l, bytes32 r) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/NODE"), l, r));
    }

    function enter(State s) private {
        setUpWorld();
        vm.fee(0);
        vm.roll(1000);
        mine = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "mine", releaseVk);
        IBountyMarket.Params memory p = sealedParams();
        p.draw = IBountyMarket.Draw(3, 600);
        p.holdout = node(node(leaf(0), leaf(1)), node(leaf(2), 0));
        id = create(p);
        commit(id, 0, 0);
        beacon = market.drawOf(id).beaconBlock;
        if (s == State.Overdue) vm.warp(START + 600);
        if (s == State.Waiting || s == State.Overdue) return;
        vm.roll(beacon + 1);
        vm.setBlockhash(beacon, keccak256("beacon"));
        if (s == State.Spoken) return;
        market.draw(id);
        drawn = 0;
        while ((market.drawOf(id).picked >> drawn) & 1 == 0) ++drawn;
        if (s == State.Opened) send(owner, 0, callOf(1, Role.Owner));
    }

    function caller(Role r) private view returns (address) {
        return r == Role.Owner ? owner : r == Role.Entrant ? hunter(0) : hunter(5);
    }

    function callOf(uint256 f, Role r) private view returns (bytes memory) {
        if (f == 0) return abi.encodeCall(IBountyMarket.draw, (id));
        if (f == 1) {
            IBountyMarket.Opening[] memory o = new IBountyMarket.Opening[](1);
            bytes32[] memory path = new bytes32[](2);
            path[0] = drawn == 2 ? bytes32(0) : leaf(1 - drawn);
            path[1] = drawn == 2 ? node(leaf(0), leaf(1)) : node(leaf(2), 0);
            o[0] = IBountyMarket.Opening(uint16(drawn), leafSalt(drawn), digest(drawn), path);
            return abi.encodeCall(IBountyMarket.openDrawn, (id, o));
        }
        if (f == 2) return abi.encodeCall(IBountyMarket.commit, (id, 1, bytes32(uint256(1)), scoreVk, caller(r)));
        if (f == 3) return abi.encodeCall(IBountyMarket.cancel, (id, 1));
        if (f == 4) return abi.encodeCall(IBountyMarket.acceptKey, (id, mine));
        if (f == 5) return abi.encodeCall(IBountyMarket.timeout, (id));
        if (f == 6) return abi.encodeCall(IBountyMarket.reveal, (id, salt, digests(2)));
        if (f == 7) return abi.encodeCall(IBountyMarket.finalize, (id));
        return abi.encodeCall(IBountyMarket.refund, (id, hunter(0), 0));
    }

    /// @dev The cell: empty where the call succeeds, otherwise its error.
    function cell(State s, uint256 f, Role r) private view returns (bytes memory) {
        bool late = s == State.Overdue;
        IBountyMarket.Phase p = late ? IBountyMarket.Phase.Defaulted : IBountyMarket.Phase.Commit;
        bytes memory wrong = err(IMarketErrors.PhaseWrong.selector, uint256(p));
        if (f == 8) return err(IMarketErrors.NothingToRefund.selector);
        if (f >= 5) return late && f == 5 ? bytes("") : wrong;
        if (late) return wrong;
        if (f == 0) {
            if (s == State.Waiting) return err(IMarketErrors.BeaconUnknown.selector, beacon);
            return s == State.Spoken ? bytes("") : err(IMarketErrors.NothingToDraw.selector);
        }
        if (f == 1) return s == State.Drawn ? bytes("") : err(IMarketErrors.OpeningInvalid.selector, drawn);
        if (f == 2) {
            return r == Role.Owner ? abi.encodeWithSelector(IMarketErrors.NotAllowed.selector, owner) : bytes("");
        }
        return r == Role.Owner ? bytes("") : abi.encodeWithSelector(IMarketErrors.NotOwner.selector, caller(r));
    }

    function play(State s, uint256 f, Role r) external {
        bytes memory data = callOf(f, r);
        bytes memory expected = cell(s, f, r);
        uint256 value = f == 2 ? 0.06 ether : 0;
        vm.prank(caller(r));
        (bool ok, bytes memory got) = address(market).call{value: value}(data);
        string memory where =
            string.concat(vm.toString(uint256(s)), "/", vm.toString(f), "/", vm.toString(uint256(r)), ": ", vm.toString(got));
        check(ok == (expected.length == 0), where);
        if (!ok) check(keccak256(got) == keccak256(expected), where);
    }

    function row(State s) private {
        enter(s);
        uint256 world = vm.snapshotState();
        for (uint256 f; f < FUNCTIONS; ++f) {
            for (uint256 r; r < 3; ++r) {
                this.play(s, f, Role(r));
                vm.revertToState(world);
                // A block's hash that was set by hand is not in the snapshot.
                if (s != State.Waiting && s != State.Overdue) vm.setBlockhash(beacon, keccak256("beacon"));
            }
        }
    }

    function test_waiting_for_the_beacon() public {
        row(State.Waiting);
    }

    function test_the_beacon_spoke() public {
        row(State.Spoken);
    }

    function test_drawn() public {
        row(State.Drawn);
    }

    function test_opened() public {
        row(State.Opened);
    }

    function test_not_opened_in_time() public {
        row(State.Overdue);
    }
}
