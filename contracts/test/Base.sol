// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {DatasetStatement} from "../src/interfaces/IDatasetVerifier.sol";
import {IDatasetRegistry, Schema} from "../src/interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {ScoreStatement} from "../src/interfaces/IScoreVerifier.sol";
import {Coin} from "./mocks/Coins.sol";
import {DatasetDouble, Double, ReleaseDouble, ScoreDouble} from "./mocks/Verifiers.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev A market with keys, a dataset of two shards of 64 records, and every act of a bounty as one
/// call. Hashes are written out again here: the contract's own are never asked.
abstract contract Base {
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant B8X = 5299619240641551281634865583518297030282874472190772894086521144482721001553;
    uint256 internal constant B8Y = 16950150798460657717958625567821834550301663161624707787222815936182638968203;
    /// @dev 8 * B8, by an independent implementation in affine coordinates.
    uint256 internal constant PKX = 7582035475627193640797276505418002166691739036475590846121162698650004832581;
    uint256 internal constant PKY = 7801528930831391612913542953849263092120765287178679640990215688947513841260;
    uint256 internal constant START = 1_700_000_000;
    /// @dev Class 4 Ki: 133 words of weights and the blind.
    uint256 internal constant WORDS = 134;
    uint32 internal constant SHARD_BYTES = 64 * 65;

    IKeyRegistry internal keys;
    IDatasetRegistry internal datasets;
    IBountyMarket internal market;
    bytes32 internal datasetVk;
    bytes32 internal releaseVk;
    bytes32 internal scoreVk;
    address internal owner = address(0xA11CE);
    bytes32 internal salt = keccak256("salt");

    function deploy(string memory name, bytes memory arguments) internal returns (address created) {
        string memory json = vm.readFile(string.concat("artifacts/", name, ".json"));
        bytes memory code = bytes.concat(vm.parseJsonBytes(json, ".bytecode"), arguments);
        assembly {
            created := create(0, add(code, 32), mload(code))
        }
        require(created != address(0), "not created");
    }

    /// @dev The market after its modules.
    function deployMarket(address registry) internal returns (address) {
        address posting = deploy("MarketPosting", abi.encode(registry));
        address claiming = deploy("MarketClaiming", abi.encode(registry));
        address ending = deploy("MarketEnding", abi.encode(registry));
        return deploy("BountyMarket", abi.encode(registry, posting, claiming, ending));
    }

    function setUpWorld() internal {
        vm.warp(START);
        keys = IKeyRegistry(deploy("KeyRegistry", ""));
        datasets = IDatasetRegistry(deploy("DatasetRegistry", abi.encode(keys)));
        market = IBountyMarket(deployMarket(address(datasets)));
        datasetVk = registerKey(IKeyRegistry.Role.Dataset, address(new DatasetDouble()), "dataset", 0);
        releaseVk = registerKey(IKeyRegistry.Role.Release, address(new ReleaseDouble()), "release", bytes32(WORDS));
        scoreVk = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "score", releaseVk);
        vm.deal(owner, 1e30);
        for (uint256 i; i < 12; ++i) {
            vm.deal(hunter(i), 1e30);
        }
    }

    function registerKey(IKeyRegistry.Role role, address adapter, bytes memory key, bytes32 link)
        internal
        returns (bytes32)
    {
        address[] memory chunks = new address[](1);
        chunks[0] = keys.storeChunk(key);
        return keys.register(role, adapter, chunks, link, architectureOf(role), "");
    }

    /// @dev Digest of a graph nobody reads here; only a score key has one.
    function architectureOf(IKeyRegistry.Role role) internal pure returns (bytes32) {
        return role == IKeyRegistry.Role.Score ? sha256("a graph") : bytes32(0);
    }

    function hunter(uint256 i) internal pure returns (address) {
        return address(uint160(0xB000 + i));
    }

    /// @dev Payouts differ from hunters, so that a test sees who is really paid.
    function payout(uint256 i) internal pure returns (address) {
        return address(uint160(0xC000 + i));
    }

    // -------------------------------------------------------------- dataset

    function schema() internal pure returns (Schema memory s) {
        s.shape = new uint32[](2);
        s.shape[0] = 8;
        s.shape[1] = 8;
        s.featureType = 8;
        s.featureMax = 16;
        s.classes = 10;
        s.stride = 65;
        s.labelAt = 64;
    }

    function digest(uint256 j) internal pure returns (bytes32) {
        return sha256(abi.encode("shard", j));
    }

    function digests(uint256 count) internal pure returns (bytes32[] memory d) {
        d = new bytes32[](count);
        for (uint256 j; j < count; ++j) {
            d[j] = digest(j);
        }
    }

    function shardCommitment(uint256 j) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("s", j))) >> 8;
    }

    function attestShard(uint256 j, uint32 length) internal {
        DatasetStatement[] memory x = shardList(digest(j), length, shardCommitment(j));
        datasets.attest(datasetVk, x, proofOfShards(x));
    }

    function shardList(bytes32 digest_, uint256 length, uint256 s) internal pure returns (DatasetStatement[] memory x) {
        x = new DatasetStatement[](1);
        x[0] = DatasetStatement(digest_, length, s);
    }

    function proofOfShards(DatasetStatement[] memory x) internal view returns (bytes memory) {
        return Double.proofOf(keys.key(datasetVk).chunks, abi.encode(x));
    }

    function attestShards(uint256 count) internal {
        for (uint256 j; j < count; ++j) {
            (uint32 length,) = datasets.shard(datasetVk, digest(j));
            if (length == 0) attestShard(j, SHARD_BYTES);
        }
    }

    function holdout(uint256 count) internal view returns (bytes32) {
        return holdoutOf(salt, digests(count));
    }

    // ---------------------------------------- identifiers, written out again

    function holdoutOf(bytes32 salt_, bytes32[] memory d) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/HOLDOUT"), salt_, keccak256(abi.encodePacked(d))));
    }

    function entryHash(uint256 ctx, uint256 C) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/COMMIT"), ctx, C));
    }

    function vkIdOf(uint256 role, bytes32 codeHash, bytes32 srs, bytes memory key, bytes32 link)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(keccak256("zkaggle/v1/VK"), role, codeHash, srs, keccak256(key), link));
    }

    function pointOf(bytes32 vkId, bytes32 ciphertextSha256, ReleaseStatement memory x)
        internal
        pure
        returns (uint256)
    {
        bytes memory head = abi.encode(keccak256("zkaggle/v1/Z"), vkId, ciphertextSha256, x.epkX, x.epkY);
        return uint256(keccak256(bytes.concat(head, abi.encode(x.C, x.pkX, x.pkY, x.ctx)))) % R;
    }

    // --------------------------------------------------------------- bounty

    /// @dev Sealed, two shards, prizes of 3 and 1 ether.
    function sealedParams() internal view returns (IBountyMarket.Params memory p) {
        p.prizes = new uint96[](2);
        p.prizes[0] = 3 ether;
        p.prizes[1] = 1 ether;
        p.bond = 0.4 ether;
        p.stake = 0.06 ether;
        p.threshold = 100;
        p.windows = IBountyMarket.Windows(uint40(vm.getBlockTimestamp() + 1000), 60, 1000, 2000, 3000, 4000, 1500, 500);
        p.schema = schema();
        p.lengths = new uint32[](2);
        p.lengths[0] = SHARD_BYTES;
        p.lengths[1] = SHARD_BYTES;
        p.holdout = holdout(2);
        p.datasetVkId = datasetVk;
        p.scoreVkIds = new bytes32[](1);
        p.scoreVkIds[0] = scoreVk;
        p.pkX = B8X;
        p.pkY = B8Y;
    }

    function openParams() internal view returns (IBountyMarket.Params memory p) {
        p = sealedParams();
        p.mode = IBountyMarket.Mode.Open;
        p.windows.reveal = 0;
        p.windows.attest = 0;
        p.holdout = 0;
        p.digests = digests(2);
    }

    function cost(IBountyMarket.Params memory p) internal pure returns (uint256 total) {
        total = p.bond;
        for (uint256 i; i < p.prizes.length; ++i) {
            total += p.prizes[i];
        }
    }

    function create(IBountyMarket.Params memory p) internal returns (uint256) {
        uint256 value = p.token == address(0) ? cost(p) : 0;
        vm.prank(owner);
        return market.create{value: value}(p);
    }

    function context(uint256 id, address who, uint8 slot) internal view returns (uint256) {
        bytes32 tag = keccak256("zkaggle/v1/ACC");
        return uint256(
            keccak256(abi.encode(tag, block.chainid, address(market), id, who, uint256(slot), scoreVk))
        ) >> 8;
    }

    /// @dev Model commitment of a hunter's slot: any field element.
    function model(uint256 i, uint8 slot) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("C", i, slot))) >> 8;
    }

    function commitment(uint256 id, uint256 i, uint8 slot) internal view returns (bytes32) {
        return entryHash(context(id, hunter(i), slot), model(i, slot));
    }

    function commit(uint256 id, uint256 i, uint8 slot) internal {
        bytes32 h = commitment(id, i, slot);
        uint256 stake = market.bountyOf(id).stake;
        send(hunter(i), stake, abi.encodeCall(IBountyMarket.commit, (id, slot, h, scoreVk, payout(i))));
    }

    /// @dev Entries 0 to count - 1, revealed and attested: Prove has begun.
    function inProve(IBountyMarket.Params memory p, uint256 count) internal returns (uint256 id) {
        id = create(p);
        for (uint256 i; i < count; ++i) {
            commit(id, i, 0);
        }
        reveal(id);
        attest(id);
    }

    /// @dev Entry i scores `scores[i]`; the first round of Claim has begun.
    function inClaim(IBountyMarket.Params memory p, uint32[] memory scores) internal returns (uint256 id) {
        id = inProve(p, scores.length);
        for (uint256 i; i < scores.length; ++i) {
            proveAll(id, i, 0, scores[i]);
        }
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
    }

    function commitEnd(uint256 id) internal view returns (uint256) {
        return market.bountyOf(id).windows.commitEnd;
    }

    function reveal(uint256 id) internal {
        IBountyMarket.Bounty memory b = market.bountyOf(id);
        vm.warp(uint256(b.windows.commitEnd) + b.windows.gap);
        market.reveal(id, salt, digests(b.shardCount));
    }

    function attest(uint256 id) internal {
        attestShards(market.bountyOf(id).shardCount);
        market.attest(id);
    }

    // ------------------------------------------------------------- entries

    function scoreStatement(uint256 id, uint256 i, uint8 slot, uint256 shard, uint32 score)
        internal
        view
        returns (ScoreStatement memory)
    {
        return ScoreStatement({
            ctx: context(id, hunter(i), slot),
            C: model(i, slot),
            s: shardCommitment(shard),
            n: 64,
            score: score,
            R: uint256(keccak256(abi.encode("R", i, slot, shard))) >> 8
        });
    }

    function scoreProof(ScoreStatement memory x) internal view returns (bytes memory) {
        return Double.proofOf(keys.key(scoreVk).chunks, abi.encode(x));
    }

    function prove(uint256 id, uint256 i, uint8 slot, uint256 shard, uint32 score) internal {
        bytes memory data = proveCall(id, slot, shard, scoreStatement(id, i, slot, shard, score));
        send(hunter(i), 0, data);
    }

    /// @dev Calldata of a proof that the double accepts for exactly `x`.
    function proveCall(uint256 id, uint8 slot, uint256 shard, ScoreStatement memory x)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodeCall(IBountyMarket.prove, (id, slot, x.C, shard, uint32(x.score), x.R, scoreProof(x)));
    }

    function send(address caller, uint256 value, bytes memory data) internal {
        vm.prank(caller);
        (bool ok, bytes memory got) = address(market).call{value: value}(data);
        if (!ok) {
            assembly {
                revert(add(got, 32), mload(got))
            }
        }
    }

    /// @dev All shards; `score` is spread over them.
    function proveAll(uint256 id, uint256 i, uint8 slot, uint32 score) internal {
        uint256 count = market.bountyOf(id).shardCount;
        for (uint256 j; j < count; ++j) {
            uint32 part = score < 64 ? score : 64;
            prove(id, i, slot, j, part);
            score -= part;
        }
    }

    function ciphertext(uint256 seed, uint256 words) internal pure returns (bytes memory c) {
        for (uint256 k; k < words; ++k) {
            c = bytes.concat(c, bytes32(uint256(keccak256(abi.encode(seed, k))) >> 3));
        }
    }

    function releaseStatement(uint256 id, uint256 i, uint8 slot, bytes memory c)
        internal
        view
        returns (ReleaseStatement memory x)
    {
        x.ctx = context(id, hunter(i), slot);
        x.C = model(i, slot);
        x.pkX = PKX;
        x.pkY = PKY;
        x.epkX = 11 + i;
        x.epkY = 12 + i;
        x.z = pointOf(releaseVk, sha256(c), x);
        uint256 power = 1;
        for (uint256 k; k < c.length / 32; ++k) {
            uint256 word;
            assembly {
                word := mload(add(add(c, 32), mul(k, 32)))
            }
            x.y = addmod(x.y, mulmod(word, power, R), R);
            power = mulmod(power, x.z, R);
        }
    }

    function releaseProof(ReleaseStatement memory x) internal view returns (bytes memory) {
        return Double.proofOf(keys.key(releaseVk).chunks, abi.encode(x));
    }

    /// @dev Relayed: the caller is this contract, the hunter's payout is paid.
    function claim(uint256 id, uint256 i, uint8 slot) internal {
        bytes memory c = ciphertext(i, WORDS);
        send(address(this), 0, claimCall(id, i, slot, c, releaseStatement(id, i, slot, c)));
    }

    /// @dev Calldata of a claim whose proof the double accepts for exactly `x`.
    function claimCall(uint256 id, uint256 i, uint8 slot, bytes memory c, ReleaseStatement memory x)
        internal
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            IBountyMarket.claim, (id, hunter(i), slot, x.epkX, x.epkY, c, releaseProof(x))
        );
    }

    // ---------------------------------------------------------------- money

    /// @dev Prizes and bond in a token that `owner` has, and lets the market take.
    function tokenParams(Coin coin) internal returns (IBountyMarket.Params memory p) {
        p = sealedParams();
        p.token = address(coin);
        coin.mint(owner, cost(p));
        vm.prank(owner);
        coin.approve(address(market), cost(p));
    }

    function owedIn(address asset, address who) internal view returns (uint256) {
        return market.owedTo(asset, who);
    }

    function owed(address who) internal view returns (uint256) {
        return market.owedTo(address(0), who);
    }

    function eq(uint256 a, uint256 b, string memory what) internal pure {
        require(a == b, string.concat(what, ": ", vm.toString(a), " is not ", vm.toString(b)));
    }

    function check(bool ok, string memory what) internal pure {
        require(ok, what);
    }

    function phase(uint256 id, IBountyMarket.Phase p) internal view {
        eq(uint256(market.phaseOf(id)), uint256(p), "phase");
    }

    /// @dev The one event of its kind since logs are kept.
    function told(bytes32 kind) internal returns (Vm.Log memory event_) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 seen;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != kind) continue;
            event_ = logs[i];
            ++seen;
        }
        eq(seen, 1, "events of the kind");
        check(event_.emitter == address(market), "the market's");
    }

    /// @dev The call fails with exactly this error.
    function refuses(address caller, uint256 value, bytes memory data, bytes memory expected) internal {
        refusesAt(address(market), caller, value, data, expected);
    }

    function refusesAt(address target, address caller, uint256 value, bytes memory data, bytes memory expected)
        internal
    {
        vm.prank(caller);
        (bool ok, bytes memory got) = target.call{value: value}(data);
        check(!ok, "accepted");
        check(keccak256(got) == keccak256(expected), string.concat("another error: ", vm.toString(got)));
    }

    function err(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    function err(bytes4 selector, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }
}
