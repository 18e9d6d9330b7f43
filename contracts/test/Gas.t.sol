// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IDagPb} from "../src/interfaces/IDagPb.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {Nodes} from "./Nodes.sol";
import {Coin} from "./mocks/Coins.sol";
import {vm} from "./Vm.sol";

/// @notice Gas of whole transactions, each on cold storage, in snapshots/gas.json. Verification is a
/// double's here: a real proof's cost comes on top, and is measured where real proofs are.
/// @dev `UPDATE_SNAPSHOTS=true` writes the file; otherwise any difference fails.
/// forge-config: default.isolate = true
contract GasTest is Base, Nodes {
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
        keysAndDraws();
        tokens();
        shardChallenges();
        largeClaims();
        mediumClaim();
        trees();
        if (update) vm.writeFile(FILE, string.concat("{\n", body, "\n}\n"));
    }

    /// @dev 64 shards below one root, as Kubo makes it.
    function trees() private {
        bytes32[] memory d = new bytes32[](64);
        uint64[] memory lengths = new uint64[](64);
        for (uint256 j; j < 64; ++j) {
            (d[j], lengths[j]) = (keccak256(abi.encode("leaf", j)), 122_880);
        }
        bytes[] memory nodes = new bytes[](1);
        nodes[0] = fileNode(d, lengths);
        IDagPb dag = IDagPb(deploy("DagPb", abi.encode(datasets)));
        dag.leavesOf(sha256(nodes[0]), nodes);
        note("leavesOf_64", 600_000);
        dag.record(sha256(nodes[0]), nodes);
        note("recordRoot_64", 700_000);
    }

    function keysAndDraws() private {
        bytes32 mine = registerKey(IKeyRegistry.Role.Score, keys.key(scoreVk).adapter, "mine", releaseVk);
        keys.describe(mine, keccak256("graph"));
        note("describe", 80_000);
        IBountyMarket.Params memory p = sealedParams();
        p.draw = IBountyMarket.Draw(3, 500);
        bytes32[3] memory leaves;
        for (uint256 j; j < 3; ++j) {
            bytes32 salt_ = keccak256(abi.encode(keccak256("zkaggle/v1/LEAF_SALT"), salt, j));
            leaves[j] = keccak256(abi.encode(keccak256("zkaggle/v1/LEAF"), j, salt_, digest(j)));
        }
        bytes32[] memory inner = new bytes32[](2);
        inner[0] = keccak256(abi.encode(keccak256("zkaggle/v1/NODE"), leaves[0], leaves[1]));
        inner[1] = keccak256(abi.encode(keccak256("zkaggle/v1/NODE"), leaves[2], bytes32(0)));
        p.holdout = keccak256(abi.encode(keccak256("zkaggle/v1/NODE"), inner[0], inner[1]));
        vm.roll(100);
        uint256 id = create(p);
        note("createWithDraw", 500_000);
        market.proposeKey(id, mine, keccak256("graph"));
        note("proposeKey", 60_000);
        vm.prank(owner);
        market.acceptKey(id, mine);
        note("acceptKey", 90_000);
        vm.roll(105);
        vm.setBlockhash(104, keccak256("beacon"));
        market.draw(id);
        note("draw", 110_000);
        uint256 j_;
        while ((market.drawOf(id).picked >> j_) & 1 == 0) ++j_;
        IBountyMarket.Opening[] memory o = new IBountyMarket.Opening[](1);
        bytes32[] memory path = new bytes32[](2);
        path[0] = j_ == 2 ? bytes32(0) : leaves[1 - j_];
        path[1] = inner[j_ == 2 ? 0 : 1];
        bytes32 leafSalt = keccak256(abi.encode(keccak256("zkaggle/v1/LEAF_SALT"), salt, j_));
        o[0] = IBountyMarket.Opening(uint16(j_), leafSalt, digest(j_), path);
        market.openDrawn(id, o);
        note("openDrawn", 130_000);
    }

    function tokens() private {
        Coin coin = new Coin(18);
        uint256 id = create(tokenParams(coin));
        note("createInToken", 700_000);
        vm.prank(owner);
        market.cancel(id, 0);
        address pot = market.detailOf(id).pot;
        vm.prank(owner);
        market.withdraw(pot);
        note("withdrawToken", 100_000);
    }

    function shardChallenges() private {
        uint32 length = 122_850;
        bytes memory data = new bytes(length);
        IBountyMarket.Params memory p = sealedParams();
        p.lengths = new uint32[](1);
        p.lengths[0] = length;
        bytes32[] memory d = new bytes32[](1);
        d[0] = sha256(data);
        p.holdout = holdoutOf(salt, d);
        uint256 id = create(p);
        commit(id, 0, 0);
        vm.warp(commitEnd(id) + 60);
        market.reveal(id, salt, d);
        vm.fee(1 gwei);
        uint256 bond = market.answerBond(length);
        vm.prank(hunter(0));
        market.challengeShard{value: bond}(id, 0);
        note("challengeShard", 180_000);
        vm.prank(owner);
        market.answerShard(id, 0, data);
        note("answerShard_120KiB", 16_000_000);
        vm.fee(0);
    }

    function largeClaims() private {
        bytes32 words = bytes32(uint256(2 * 3072));
        address adapter = keys.key(scoreVk).adapter;
        releaseVk = registerKey(IKeyRegistry.Role.Release, keys.key(releaseVk).adapter, "large", words);
        scoreVk = registerKey(IKeyRegistry.Role.Score, adapter, "large", releaseVk);
        uint32[] memory scores = new uint32[](1);
        scores[0] = 120;
        uint256 id = inClaim(sealedParams(), scores);
        bytes memory part = new bytes(3072 * 32);
        bytes32[] memory d = new bytes32[](2);
        (d[0], d[1]) = (sha256(part), sha256(part));
        uint256[] memory sums = new uint256[](2);
        ReleaseStatement memory x;
        (x.ctx, x.C, x.pkX, x.pkY, x.epkX, x.epkY) = (context(id, hunter(0), 0), model(0, 0), PKX, PKY, 11, 12);
        x.z = pointOf(releaseVk, sha256(abi.encodePacked(d)), x);
        bytes memory proof = releaseProof(x);
        market.claimChunks(id, hunter(0), 0, 11, 12, d, sums, proof);
        note("claimChunks", 300_000);
        uint256 bond = market.answerBond(part.length);
        vm.prank(owner);
        market.challengeChunk{value: bond}(id, hunter(0), 0, 1);
        note("challengeChunk", 150_000);
        market.answerChunk(id, hunter(0), 0, 1, x.z, d, sums, part);
        note("answerChunk_96KiB", 16_000_000);
        vm.warp(market.listingOf(id, hunter(0), 0).until);
        market.settleClaim(id, hunter(0), 0);
        note("settleClaim", 150_000);
    }

    /// @dev 61,706 weights: class 64 Ki, 2,116 words.
    function mediumClaim() private {
        releaseVk = registerKey(IKeyRegistry.Role.Release, keys.key(releaseVk).adapter, "medium", bytes32(uint256(2116)));
        scoreVk = registerKey(IKeyRegistry.Role.Score, keys.key(scoreVk).adapter, "medium", releaseVk);
        uint32[] memory scores = new uint32[](1);
        scores[0] = 120;
        uint256 id = inClaim(sealedParams(), scores);
        bytes memory c = new bytes(2116 * 32);
        for (uint256 k; k < 2116; ++k) {
            uint256 w = uint256(keccak256(abi.encode(k))) >> 3;
            assembly {
                mstore(add(add(c, 32), mul(k, 32)), w)
            }
        }
        bytes memory data = claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c));
        send(address(this), 0, data);
        note("claim_61706_weights", 3_250_000);
        if (!update) eq(floorOf(data) / 100_000, 27, "calldata alone, at EIP-7623's floor");
        check(floorOf(data) < 3_500_000, "the floor");
    }

    /// @dev Gas of a transaction by EIP-7623, whatever it executes.
    function floorOf(bytes memory data) private pure returns (uint256 gas) {
        uint256 tokens_;
        for (uint256 i; i < data.length; ++i) {
            tokens_ += data[i] == 0 ? 1 : 4;
        }
        return 21_000 + 10 * tokens_;
    }
}
