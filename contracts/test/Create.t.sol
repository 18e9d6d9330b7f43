// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IDatasetRegistry, Schema} from "../src/interfaces/IDatasetRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {Base} from "./Base.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice What a bounty must be to be posted.
contract CreateTest is Base {
    bytes4 private constant WINDOW = IMarketErrors.WindowInvalid.selector;

    function setUp() public {
        setUpWorld();
    }

    function refusesParams(IBountyMarket.Params memory p, bytes memory expected) private {
        refuses(owner, cost(p), abi.encodeCall(IBountyMarket.create, (p)), expected);
        eq(market.bountyCount(), 0, "count");
        eq(address(market).balance, 0, "balance");
    }

    function window(uint8 which, uint256 length, uint256 least, uint256 most) private pure returns (bytes memory) {
        return abi.encodeWithSelector(WINDOW, which, length, least, most);
    }

    function test_create_stores_what_was_posted() public {
        IBountyMarket.Params memory p = sealedParams();
        vm.recordLogs();
        uint256 id = create(p);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "events");
        check(logs[0].topics[0] == IMarketEvents.BountyCreated.selector, "event");
        (,,,, IBountyMarket.Params memory seen) =
            abi.decode(logs[0].data, (bytes32, uint32, uint256, uint256, IBountyMarket.Params));
        check(keccak256(abi.encode(seen)) == keccak256(abi.encode(p)), "the event carries the parameters");

        eq(id, 1, "first number");
        IBountyMarket.Bounty memory b = market.bountyOf(id);
        check(b.owner == owner && b.mode == IBountyMarket.Mode.Sealed, "owner and mode");
        eq(b.samples, 128, "samples");
        eq(b.stride, 65, "stride");
        eq(b.shardCount, 2, "shards");
        eq(b.threshold, 100, "threshold");
        eq(b.held, 4.4 ether, "held");
        eq(b.bond, 0.4 ether, "bond");
        eq(b.stake, 0.06 ether, "stake");
        check(b.holdout == p.holdout && b.datasetVkId == datasetVk, "hold-out and key");
        eq(market.prizesOf(id)[1], 1 ether, "prizes");
        check(market.scoreKeysOf(id)[0] == scoreVk, "score keys");
        (uint32[] memory lengths, bytes32[] memory d) = market.shardsOf(id);
        eq(lengths[1], SHARD_BYTES, "lengths");
        check(d[0] == 0 && d[1] == 0, "no digest before the reveal");
        eq(create(p), 2, "second number");
    }

    function test_the_encryption_key_is_stored_times_eight() public {
        IBountyMarket.Bounty memory b = market.bountyOf(create(sealedParams()));
        eq(b.pkX, PKX, "x");
        eq(b.pkY, PKY, "y");
        // The same key with a point of order 8 added: that part is gone.
        IBountyMarket.Params memory p = sealedParams();
        p.pkX = 16043076292270074255274273135565635508596336298608676187653181471694901099226;
        p.pkY = 20350718411605902158347195185623743981497105114993900143328031478720886515654;
        b = market.bountyOf(create(p));
        eq(b.pkX, PKX, "x of a mixed point");
        eq(b.pkY, PKY, "y of a mixed point");
    }

    function test_create_refuses_bad_encryption_keys() public {
        uint256[2][7] memory bad = [
            [uint256(0), 1], // identity
            [uint256(0), R - 1], // order 2
            [18930368022820495955728484915491405972470733850014661777449844430438130630919, uint256(0)], // order 4
            [
                17545522957889784193459637215142187266023652151580582754000402781682644312291,
                17061719626832259898845741003733890968968767993363194771977168648564009544074
            ], // order 8
            [B8X, B8Y + 1], // off the curve
            [B8X + R, B8Y], // not canonical
            [uint256(0), 0] // off the curve
        ];
        for (uint256 i; i < bad.length; ++i) {
            IBountyMarket.Params memory p = sealedParams();
            (p.pkX, p.pkY) = (bad[i][0], bad[i][1]);
            refusesParams(p, err(IMarketErrors.EncryptionKeyInvalid.selector));
        }
        IBountyMarket.Params memory q = sealedParams();
        q.pkY = B8Y + R;
        refusesParams(q, err(IMarketErrors.EncryptionKeyInvalid.selector));
    }

    function test_fuzz_create_refuses_points_off_the_curve(uint256 x, uint256 y) public {
        IBountyMarket.Params memory p = sealedParams();
        (p.pkX, p.pkY) = (x, y);
        // The fuzzer knows the points written in these files: a x^2 + y^2 = 1 + d x^2 y^2 for them.
        uint256 xx = mulmod(x, x, R);
        uint256 yy = mulmod(y, y, R);
        uint256 right = addmod(1, mulmod(168696, mulmod(xx, yy, R), R), R);
        vm.assume(addmod(mulmod(168700, xx, R), yy, R) != right);
        refusesParams(p, err(IMarketErrors.EncryptionKeyInvalid.selector));
    }

    function test_create_refuses_tokens_without_code() public {
        IBountyMarket.Params memory p = sealedParams();
        p.token = address(7);
        bytes memory data = abi.encodeCall(IBountyMarket.create, (p));
        refuses(owner, 0, data, err(IMarketErrors.TokenNotSupported.selector, 7));
        refuses(owner, 1, data, err(IMarketErrors.ValueWrong.selector, 1, 0));
    }

    function test_create_refuses_bad_prizes() public {
        bytes memory e = err(IMarketErrors.PrizesInvalid.selector);
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](0);
        refusesParams(p, e);
        p.prizes = new uint96[](17);
        for (uint256 i; i < 17; ++i) {
            p.prizes[i] = 1;
        }
        refusesParams(p, e);
        p.prizes = new uint96[](2);
        p.prizes[0] = 1 ether;
        refusesParams(p, e); // second is zero
        p.prizes[1] = 1 ether + 1;
        refusesParams(p, e); // growing
    }

    function test_create_takes_sixteen_prizes_and_two_hundred_fifty_six_shards() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](16);
        for (uint256 i; i < 16; ++i) {
            p.prizes[i] = 1 ether;
        }
        p.bond = 1.6 ether;
        p.lengths = new uint32[](256);
        for (uint256 i; i < 256; ++i) {
            p.lengths[i] = SHARD_BYTES;
        }
        p.holdout = holdout(256);
        uint256 id = create(p);
        eq(market.bountyOf(id).samples, 256 * 64, "samples");
        commit(id, 0, 0);
        uint256 before = gasleft();
        reveal(id);
        check(before - gasleft() < 16_777_216, "the largest reveal fits a transaction");
        attest(id);
        for (uint256 j; j < 255; ++j) {
            prove(id, 0, 0, j, 60);
        }
        check(market.entryOf(id, hunter(0), 0).state == IBountyMarket.EntryState.Committed, "one shard is missing");
        prove(id, 0, 0, 255, 60);
        check(market.entryOf(id, hunter(0), 0).state == IBountyMarket.EntryState.Ranked, "all are in");
        eq(market.entryOf(id, hunter(0), 0).score, 256 * 60, "sum");
    }

    function test_create_refuses_a_low_bond_or_stake_and_the_wrong_value() public {
        IBountyMarket.Params memory p = sealedParams();
        p.bond = 0.4 ether - 1;
        refusesParams(p, err(IMarketErrors.BondTooLow.selector, 0.4 ether - 1, 0.4 ether));
        p = sealedParams();
        p.stake = 0.06 ether - 1;
        refusesParams(p, err(IMarketErrors.StakeTooLow.selector, 0.06 ether - 1, 0.06 ether));
        p = sealedParams();
        bytes memory data = abi.encodeCall(IBountyMarket.create, (p));
        refuses(owner, 4.4 ether - 1, data, err(IMarketErrors.ValueWrong.selector, 4.4 ether - 1, 4.4 ether));
        refuses(owner, 4.4 ether + 1, data, err(IMarketErrors.ValueWrong.selector, 4.4 ether + 1, 4.4 ether));
    }

    function test_bond_and_stake_round_up() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 101;
        p.bond = 10;
        p.stake = 3;
        refusesParams(p, err(IMarketErrors.BondTooLow.selector, 10, 11));
        p.bond = 11;
        p.stake = 2;
        refusesParams(p, err(IMarketErrors.StakeTooLow.selector, 2, 3));
    }

    function test_create_refuses_bad_thresholds_and_no_samples() public {
        bytes4 e = IMarketErrors.ThresholdInvalid.selector;
        IBountyMarket.Params memory p = sealedParams();
        p.threshold = 0;
        refusesParams(p, err(e, 0, 128));
        p.threshold = 129;
        refusesParams(p, err(e, 129, 128));
        p.threshold = 256; // the predecessors' 200 %
        refusesParams(p, err(e, 256, 128));
        p = sealedParams();
        p.lengths = new uint32[](0); // the predecessors' zero files
        refusesParams(p, err(IMarketErrors.ShardCountInvalid.selector, 0));
        p.lengths = new uint32[](257);
        refusesParams(p, err(IMarketErrors.ShardCountInvalid.selector, 257));
    }

    function test_create_refuses_bad_shard_lengths() public {
        bytes4 e = IMarketErrors.ShardLengthInvalid.selector;
        IBountyMarket.Params memory p = sealedParams();
        p.lengths[1] = 0;
        refusesParams(p, err(e, 1, 0));
        p.lengths[1] = 64 * 65 + 1;
        refusesParams(p, err(e, 1, 64 * 65 + 1));
        p.lengths[1] = 122_915; // 1,891 records of 65 bytes, above 122,880
        refusesParams(p, err(e, 1, 122_915));
    }

    function test_create_refuses_bad_schemas() public {
        bytes memory e = err(IDatasetRegistry.SchemaInvalid.selector);
        IBountyMarket.Params memory p = sealedParams();
        p.schema.shape = new uint32[](0);
        refusesParams(p, e);
        p.schema.shape = new uint32[](5);
        refusesParams(p, e);
        p = sealedParams();
        p.schema.shape[0] = 0;
        refusesParams(p, e);
        p.schema.shape[0] = type(uint32).max;
        refusesParams(p, e);
        p = sealedParams();
        p.schema.classes = 1;
        refusesParams(p, e);
        p.schema.classes = 257;
        refusesParams(p, e);
        // A type that is none, and bounds that no feature of the type can have.
        uint16[2][8] memory odd =
            [[uint16(0), 16], [uint16(16), 16], [uint16(7), 1], [uint16(273), 1], [uint16(8), 0], [uint16(8), 256], [uint16(272), 0], [uint16(272), 32768]];
        for (uint256 i; i < odd.length; ++i) {
            p = sealedParams();
            (p.schema.featureType, p.schema.featureMax) = (odd[i][0], odd[i][1]);
            refusesParams(p, e);
        }
        // Two bytes a feature: the largest sample has half as many.
        p = sealedParams();
        p.schema.shape = new uint32[](1);
        (p.schema.featureType, p.schema.shape[0]) = (272, 61_440);
        refusesParams(p, e);
    }

    function test_create_counts_the_records_behind_a_header() public {
        IBountyMarket.Params memory p = sealedParams();
        place(p.schema, 16, 66, 1, 0);
        (p.lengths[0], p.lengths[1]) = (16 + 64 * 66, 16 + 100 * 66);
        p.threshold = 164;
        bytes4 e = IMarketErrors.ShardLengthInvalid.selector;
        uint32[5] memory odd = [uint32(64 * 66), 15, 16, 16 + 65, 16 + 64 * 66 + 1];
        for (uint256 i; i < odd.length; ++i) {
            p.lengths[0] = odd[i];
            refusesParams(p, err(e, 0, odd[i]));
        }
        p.lengths[0] = 16 + 64 * 66;
        IBountyMarket.Bounty memory b = market.bountyOf(create(p));
        eq(b.samples, 164, "samples");
        eq(b.stride, 66, "stride");
        check(b.schemaId == datasets.schemaOf(p.schema), "schemaId");
    }

    function test_create_refuses_places_that_do_not_fit() public {
        bytes memory e = err(IDatasetRegistry.SchemaInvalid.selector);
        IBountyMarket.Params memory p = sealedParams();
        uint32 most = type(uint32).max;
        // Offset, stride, features, label: 64 features in at most 122,880 bytes.
        uint32[4][11] memory odd = [
            [uint32(0), 0, 0, 64],
            [uint32(0), 64, 0, 64],
            [uint32(0), 65, 2, 0],
            [uint32(0), 65, 0, 65],
            [uint32(0), 65, 0, 0],
            [uint32(0), 65, 0, 63],
            [uint32(0), 66, 1, 1],
            [uint32(0), 66, most, 0],
            [uint32(0), most, 0, 64],
            [most, 65, 0, 64],
            [uint32(122_816), 65, 0, 64]
        ];
        for (uint256 i; i < odd.length; ++i) {
            place(p.schema, odd[i][0], odd[i][1], odd[i][2], odd[i][3]);
            refusesParams(p, e);
        }
        // One byte less leaves room for one record.
        place(p.schema, 122_815, 65, 0, 64);
        check(datasets.schemaOf(p.schema) != 0, "a block of header and one record");
    }

    function place(Schema memory s, uint32 offset, uint32 stride, uint32 featuresAt, uint32 labelAt) private pure {
        (s.offset, s.stride, s.featuresAt, s.labelAt) = (offset, stride, featuresAt, labelAt);
    }

    /// @dev PROTOCOL's formula, for any places; those that do not fit are refused and nothing else is.
    function test_fuzz_schema_id(uint32 offset, uint32 stride, uint32 featuresAt, uint32 labelAt, uint16 dims) public {
        Schema memory s;
        s.shape = new uint32[](2);
        (s.shape[0], s.shape[1]) = (dims % 17 + 1, dims / 17 % 17 + 1);
        (s.featureType, s.featureMax, s.classes) = (8, 255, 10);
        uint256 features = uint256(s.shape[0]) * s.shape[1];
        // Often within a few bytes of what is just allowed.
        stride = stride % 3 == 0 ? stride : uint32(features + stride % 5);
        featuresAt = featuresAt % 3 == 0 ? featuresAt : featuresAt % 5;
        labelAt = labelAt % 3 == 0 ? labelAt % (stride == 0 ? 1 : stride) : uint32(features + labelAt % 5);
        offset = offset % 3 == 0 ? offset : offset % 2 == 0 ? offset % 130_000 : offset % 32;
        place(s, offset, stride, featuresAt, labelAt);
        bool fits = uint256(featuresAt) + features <= stride && labelAt < stride
            && (labelAt < featuresAt || labelAt >= uint256(featuresAt) + features)
            && uint256(offset) + stride <= 122_880;
        (bool ok, bytes memory out) = address(datasets).staticcall(abi.encodeCall(IDatasetRegistry.schemaOf, (s)));
        check(ok == fits, "refused where it does not fit, and only there");
        if (!fits) return;
        bytes memory head =
            abi.encode(keccak256("zkaggle/v1/SCHEMA"), features + 1, offset, stride, 8, keccak256(abi.encode(s.shape[0], s.shape[1])));
        bytes32 id = keccak256(
            bytes.concat(head, abi.encode(255, uint256(featuresAt) * 2 ** 32 + labelAt, 1, 10))
        );
        check(abi.decode(out, (bytes32)) == id, "schemaId");
    }

    function test_create_refuses_keys_of_another_role() public {
        bytes4 e = IMarketErrors.KeyRoleWrong.selector;
        IBountyMarket.Params memory p = sealedParams();
        p.datasetVkId = scoreVk;
        refusesParams(p, err(e, uint256(scoreVk)));
        p = sealedParams();
        p.scoreVkIds[0] = releaseVk;
        refusesParams(p, err(e, uint256(releaseVk)));
        p.scoreVkIds[0] = bytes32(uint256(5)); // the hunter's own verifier, in the predecessors
        refusesParams(p, err(e, 5));
        p.scoreVkIds = new bytes32[](0);
        refusesParams(p, err(IMarketErrors.KeyCountInvalid.selector, 0));
        p.scoreVkIds = new bytes32[](9);
        refusesParams(p, err(IMarketErrors.KeyCountInvalid.selector, 9));
    }

    function test_create_refuses_mixed_modes() public {
        bytes memory e = err(IMarketErrors.ModeMismatch.selector);
        IBountyMarket.Params memory p = sealedParams();
        p.holdout = 0;
        refusesParams(p, e);
        p = sealedParams();
        p.digests = digests(2);
        refusesParams(p, e);
        p = openParams();
        p.holdout = bytes32(uint256(1));
        refusesParams(p, e);
    }

    function test_create_refuses_an_open_bounty_that_is_not_attested() public {
        IBountyMarket.Params memory p = openParams();
        bytes4 unknown = IDatasetRegistry.ShardUnknown.selector;
        refusesParams(p, err(unknown, uint256(datasetVk), uint256(digest(0))));
        attestShards(2);
        p.digests = digests(1);
        refusesParams(p, err(IMarketErrors.DigestsInvalid.selector));
        p.digests = digests(2);
        p.digests[1] = digest(0);
        refusesParams(p, err(IMarketErrors.DigestsInvalid.selector));
        p = openParams();
        p.lengths[1] = 2 * SHARD_BYTES;
        bytes4 e = IMarketErrors.LengthMismatch.selector;
        refusesParams(p, abi.encodeWithSelector(e, 1, SHARD_BYTES, 2 * SHARD_BYTES));
        create(openParams());
    }

    function test_create_refuses_bad_allow_lists() public {
        bytes memory e = err(IMarketErrors.AllowListInvalid.selector);
        IBountyMarket.Params memory p = sealedParams();
        p.allowed = new address[](1);
        refusesParams(p, e);
        p.allowed[0] = owner;
        refusesParams(p, e);
        p.allowed = new address[](65);
        refusesParams(p, e);
    }

    /// @dev All samples right, and as many guests as a list may have: the next one is too many.
    function test_create_takes_what_is_just_allowed() public {
        IBountyMarket.Params memory p = sealedParams();
        p.threshold = 128;
        p.allowed = guests(65);
        refusesParams(p, err(IMarketErrors.AllowListInvalid.selector));
        p.allowed = guests(64);
        uint256 id = create(p);
        eq(market.bountyOf(id).threshold, 128, "threshold");
        commit(id, 5, 0);
    }

    function guests(uint256 count) private pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = hunter(i);
        }
    }

    function test_windows_on_a_development_chain() public {
        IBountyMarket.Params memory p = sealedParams();
        p.windows.commitEnd = uint40(START);
        refusesParams(p, window(0, 0, 1, 365 days));
        p.windows.commitEnd = uint40(START + 365 days + 1);
        refusesParams(p, window(0, 365 days + 1, 1, 365 days));
        p = sealedParams();
        p.windows.gap = 1 days + 1;
        refusesParams(p, window(1, 1 days + 1, 0, 1 days));
        p = sealedParams();
        p.windows.reveal = 0;
        refusesParams(p, window(2, 0, 1, 90 days));
        p = sealedParams();
        p.windows.attest = 0;
        refusesParams(p, window(3, 0, 1, 90 days));
        p = sealedParams();
        p.windows.prove = 0;
        refusesParams(p, window(4, 0, 1, 90 days));
        p = sealedParams();
        p.windows.claim = 0;
        refusesParams(p, window(5, 0, 1, 90 days));
        p = sealedParams();
        p.windows.challenge = 0;
        refusesParams(p, window(6, 0, 1, 3000));
        p.windows.challenge = 3001; // whoever challenges last must be answered before Prove can end
        refusesParams(p, window(6, 3001, 1, 3000));
        p = openParams();
        p.windows.challenge = 90 days + 1; // of a large claim's chunks
        refusesParams(p, window(6, 90 days + 1, 1, 90 days));
        p = sealedParams();
        p.windows.answer = 7 days + 1;
        refusesParams(p, window(7, 7 days + 1, 1, 7 days));
        p = openParams();
        p.windows.reveal = 1;
        refusesParams(p, window(2, 1, 0, 0));
        p = openParams();
        p.windows.attest = 1;
        refusesParams(p, window(3, 1, 0, 0));
        p = sealedParams();
        p.windows = IBountyMarket.Windows(uint40(START + 1), 0, 1, 1, 1, 1, 1, 1);
        create(p);
    }

    function test_windows_and_samples_on_a_public_chain() public {
        vm.chainId(1);
        IBountyMarket.Params memory p = sealedParams();
        p.windows = IBountyMarket.Windows(
            uint40(START + 1 hours), 15 minutes, 1 hours, 1 hours, 1 hours, 24 hours, 1 hours, 1 hours
        );
        IBountyMarket.Windows memory w = p.windows;
        p.windows.commitEnd -= 1;
        refusesParams(p, window(0, 1 hours - 1, 1 hours, 365 days));
        p.windows.commitEnd += 1;
        p.windows.gap = w.gap = 15 minutes - 1;
        refusesParams(p, window(1, 15 minutes - 1, 15 minutes, 1 days));
        p.windows.gap = 15 minutes;
        p.windows.reveal = 1 hours - 1;
        refusesParams(p, window(2, 1 hours - 1, 1 hours, 90 days));
        p.windows.reveal = 1 hours;
        p.windows.attest = 1 hours - 1;
        refusesParams(p, window(3, 1 hours - 1, 1 hours, 90 days));
        p.windows.attest = 1 hours;
        p.windows.prove = 1 hours - 1;
        refusesParams(p, window(4, 1 hours - 1, 1 hours, 90 days));
        p.windows.prove = 1 hours;
        p.windows.claim = 24 hours - 1;
        refusesParams(p, window(5, 24 hours - 1, 24 hours, 90 days));
        p.windows.claim = 24 hours;
        p.windows.challenge = 1 hours - 1;
        refusesParams(p, window(6, 1 hours - 1, 1 hours, 1 hours));
        p.windows.challenge = 1 hours;
        p.windows.answer = 1 hours - 1;
        refusesParams(p, window(7, 1 hours - 1, 1 hours, 7 days));
        p.windows.answer = 1 hours;
        p.lengths = new uint32[](1);
        p.lengths[0] = 63 * 65;
        p.threshold = 63;
        refusesParams(p, err(IMarketErrors.TooFewSamples.selector, 63, 64));
        p.lengths[0] = 64 * 65;
        create(p);
    }
}
