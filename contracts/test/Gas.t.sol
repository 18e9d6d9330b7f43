// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @notice Gas of whole transactions, each on cold storage, in snapshots/gas.json. Verification is a
/// double's here: a real proof's cost comes on top, and is measured where real proofs are.
/// @dev `UPDATE_SNAPSHOTS=true` writes the file; otherwise any difference fails.
/// forge-config: default.isolate = true
contract GasTest is Base {
    string private constant FILE = "snapshots/gas.json";
    string private body;
    string private old;
    bool private update;

    function setUp() public {
        setUpWorld();
        update = vm.envOr("UPDATE_SNAPSHOTS", false);
        if (!update) old = vm.readFile(FILE);
    }

    function note(string memory name, uint256 most) private {
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        check(gas <= most, string.concat(name, " costs ", vm.toString(gas), ", above ", vm.toString(most)));
        body = string.concat(body, bytes(body).length == 0 ? "" : ",\n", ' "', name, '": ', vm.toString(gas));
        if (!update) eq(gas, vm.parseJsonUint(old, string.concat(".", name)), name);
    }

    function test_gas_of_a_bounty() public {
        keys.storeChunk(new bytes(8192));
        note("storeChunk_8KiB", 2_000_000);
        address[] memory chunks = new address[](1);
        chunks[0] = keys.storeChunk("gas");
        address adapter = keys.key(scoreVk).adapter;
        keys.register(IKeyRegistry.Role.Score, adapter, chunks, releaseVk, architectureOf(IKeyRegistry.Role.Score), "");
        note("register", 300_000);

        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 1 ether;
        p.lengths = new uint32[](1);
        p.lengths[0] = SHARD_BYTES;
        p.threshold = 50;
        p.bond = 0.1 ether;
        p.holdout = holdout(1);
        uint256 value = cost(p);
        vm.prank(owner);
        uint256 id = market.create{value: value}(p);
        note("create", 400_000);
        bytes32 h = commitment(id, 0, 0);
        vm.prank(hunter(0));
        market.commit{value: 0.06 ether}(id, 0, h, scoreVk, payout(0));
        note("commit", 110_000);
        commit(id, 1, 0);

        vm.warp(commitEnd(id) + 60);
        market.reveal(id, salt, digests(1));
        note("reveal", 100_000);
        attestShard(0, SHARD_BYTES);
        note("attestShard", 150_000);
        market.attest(id);
        note("attest", 120_000);

        proveAll(id, 0, 0, 60);
        note("prove", 250_000);
        proveAll(id, 1, 0, 61);
        note("proveFirst", 250_000);

        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 1, 0);
        // 250,000 for a Groth16 proof of eight inputs leaves the claim at 550,000.
        note("claim", 300_000);
        market.finalize(id);
        note("finalize", 200_000);
        vm.prank(payout(1));
        market.withdraw(address(0));
        note("withdraw", 80_000);

        p.windows.commitEnd = uint40(vm.getBlockTimestamp() + 1000);
        id = create(p);
        commit(id, 0, 0);
        vm.prank(owner);
        market.cancel(id, 1);
        note("cancel", 150_000);
        market.refund(id, hunter(0), 0);
        note("refund", 100_000);
        if (update) vm.writeFile(FILE, string.concat("{\n", body, "\n}\n"));
    }
}
