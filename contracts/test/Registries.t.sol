// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement} from "../src/interfaces/IDatasetVerifier.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {Base} from "./Base.sol";
import {DatasetDouble, Double, ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice Keys and shards.
contract RegistriesTest is Base {
    address private adapter;

    function setUp() public {
        setUpWorld();
        adapter = address(new ScoreDouble());
    }

    function one(address chunk) private pure returns (address[] memory chunks) {
        chunks = new address[](1);
        chunks[0] = chunk;
    }

    function registerCall(IKeyRegistry.Role role, address to, address[] memory chunks, bytes32 link)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IKeyRegistry.register, (role, to, chunks, link, architectureOf(role), ""));
    }

    function refusesKey(bytes memory data, bytes memory expected) private {
        refusesAt(address(keys), address(this), 0, data, expected);
    }

    // ----------------------------------------------------------------- keys

    function test_a_chunk_is_its_bytes() public {
        bytes memory data = hex"00112233";
        (address chunk, bool stored) = keys.chunkAt(data);
        check(!stored, "not yet");
        check(keys.storeChunk(data) == chunk, "address follows from the bytes");
        check(keccak256(chunk.code) == keccak256(bytes.concat(hex"00", data)), "STOP, then the bytes");
        vm.prank(hunter(1));
        check(keys.storeChunk(data) == chunk, "again, by another: the same");
        (, stored) = keys.chunkAt(data);
        check(stored, "stored");
        (bool ok, bytes memory out) = chunk.call(hex"1234");
        check(ok && out.length == 0, "a chunk does nothing when called");
    }

    function test_fuzz_chunks_of_any_bytes(bytes memory data) public {
        vm.assume(data.length != 0);
        address chunk = keys.storeChunk(data);
        check(keccak256(chunk.code) == keccak256(bytes.concat(hex"00", data)), "bytes");
    }

    function test_chunk_sizes() public {
        bytes4 e = IKeyRegistry.ChunkSize.selector;
        refusesKey(abi.encodeCall(IKeyRegistry.storeChunk, ("")), err(e, 0));
        refusesKey(abi.encodeCall(IKeyRegistry.storeChunk, (new bytes(24_576))), err(e, 24_576));
        eq(keys.storeChunk(new bytes(24_575)).code.length, 24_576, "the largest");
    }

    function test_a_vk_id_is_what_the_protocol_says() public {
        address[] memory chunks = new address[](2);
        bytes memory first = new bytes(24_575);
        first[0] = 0x11;
        (chunks[0], chunks[1]) = (keys.storeChunk(first), keys.storeChunk("second"));
        bytes32 vkId = keys.register(IKeyRegistry.Role.Score, adapter, chunks, releaseVk, bytes32(uint256(7)), "for humans");
        bytes32 srs = keccak256("double");
        check(vkId == vkIdOf(2, adapter.codehash, srs, bytes.concat(first, "second"), releaseVk), "vkId");
        IKeyRegistry.Key memory k = keys.key(vkId);
        check(k.adapter == adapter && k.codeHash == adapter.codehash && k.link == releaseVk, "key");
        check(k.chunks.length == 2 && k.chunks[1] == chunks[1], "chunks");
        check(keys.roleOf(vkId) == IKeyRegistry.Role.Score && keys.linkOf(vkId) == releaseVk, "role and link");
        refusesKey(
            registerCall(IKeyRegistry.Role.Score, adapter, chunks, releaseVk),
            err(IKeyRegistry.KeyExists.selector, uint256(vkId))
        );
    }

    function test_register_refuses() public {
        address[] memory chunks = one(keys.storeChunk("key"));
        bytes memory noRole = registerCall(IKeyRegistry.Role.None, adapter, chunks, 0);
        refusesKey(noRole, err(IKeyRegistry.RoleInvalid.selector));
        bytes memory noCode = registerCall(IKeyRegistry.Role.Mint, address(77), chunks, 0);
        refusesKey(noCode, err(IKeyRegistry.AdapterWithoutCode.selector, 77));
        bytes4 count = IKeyRegistry.ChunkCount.selector;
        refusesKey(registerCall(IKeyRegistry.Role.Mint, adapter, new address[](0), 0), err(count, 0));
        refusesKey(registerCall(IKeyRegistry.Role.Mint, adapter, new address[](17), 0), err(count, 17));
        // A contract that nobody proved to be a chunk could be destroyed and made anew.
        bytes memory foreign = registerCall(IKeyRegistry.Role.Mint, adapter, one(adapter), 0);
        refusesKey(foreign, abi.encodeWithSelector(IKeyRegistry.ChunkUnknown.selector, adapter));
        bytes memory longInfo = abi.encodeCall(
            IKeyRegistry.register, (IKeyRegistry.Role.Mint, adapter, chunks, 0, 0, string(new bytes(513)))
        );
        refusesKey(longInfo, err(IKeyRegistry.InfoTooLong.selector, 513));
        refusesKey(abi.encodeCall(IKeyRegistry.key, (bytes32(0))), err(IKeyRegistry.KeyUnknown.selector, 0));
    }

    function linkRefused(IKeyRegistry.Role role, bytes32 link) private {
        bytes memory e = abi.encodeWithSelector(IKeyRegistry.LinkInvalid.selector, role, link);
        refusesKey(registerCall(role, adapter, one(keys.storeChunk("key")), link), e);
    }

    function test_links_fit_their_role() public {
        linkRefused(IKeyRegistry.Role.Score, 0);
        linkRefused(IKeyRegistry.Role.Score, bytes32(uint256(134)));
        linkRefused(IKeyRegistry.Role.Score, scoreVk);
        linkRefused(IKeyRegistry.Role.Release, 0);
        linkRefused(IKeyRegistry.Role.Release, bytes32(uint256(196_609))); // above 6 MiB
        linkRefused(IKeyRegistry.Role.Dataset, bytes32(uint256(1)));
        linkRefused(IKeyRegistry.Role.Mint, releaseVk);
        registerKey(IKeyRegistry.Role.Release, adapter, "largest", bytes32(uint256(196_608)));
        registerKey(IKeyRegistry.Role.Mint, adapter, "mint", 0);
    }

    function test_a_changed_adapter_is_refused() public {
        vm.etch(keys.key(scoreVk).adapter, hex"00");
        (bool ok, bytes memory got) = address(keys).call(abi.encodeCall(IKeyRegistry.key, (scoreVk)));
        check(!ok && bytes4(got) == IKeyRegistry.AdapterChanged.selector, "refused");
    }

    // --------------------------------------------------------------- shards

    function attestCall(bytes32 vkId, uint32 length, uint256 s, bytes memory proof)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IDatasetRegistry.attest, (vkId, shardList(digest(0), length, s), proof));
    }

    function proofOf(uint32 length, uint256 s) private view returns (bytes memory) {
        return proofOfShards(shardList(digest(0), length, s));
    }

    function refusesShard(bytes memory data, bytes memory expected) private {
        refusesAt(address(datasets), address(this), 0, data, expected);
    }

    function test_a_shard_is_attested_once() public {
        attestShard(0, 4160);
        (uint32 length, uint256 s) = datasets.shard(datasetVk, digest(0));
        eq(length, 4160, "length");
        eq(s, shardCommitment(0), "s");
        // Again, and twice in a list that also has a new one: the known ones stay, the new one is taken.
        datasets.attest(datasetVk, shardList(digest(0), 4160, s), proofOf(4160, s));
        DatasetStatement[] memory more = new DatasetStatement[](3);
        more[0] = DatasetStatement(digest(0), 4160, s);
        more[1] = DatasetStatement(digest(1), 65, 7);
        more[2] = more[0];
        datasets.attest(datasetVk, more, proofOfShards(more));
        (length, s) = datasets.shard(datasetVk, digest(1));
        check(length == 65 && s == 7, "the new one");
        (length, s) = datasets.shard(datasetVk, digest(0));
        check(length == 4160 && s == shardCommitment(0), "the old one");
    }

    function test_nothing_is_overwritten() public {
        attestShard(0, 4160);
        uint256 s = shardCommitment(0);
        bytes memory conflict =
            err(IDatasetRegistry.ShardConflict.selector, uint256(datasetVk), uint256(digest(0)));
        refusesShard(attestCall(datasetVk, 4161, s, proofOf(4161, s)), conflict);
        refusesShard(attestCall(datasetVk, 4160, s + 1, proofOf(4160, s + 1)), conflict);
    }

    function test_a_list_is_attested_whole_or_not_at_all() public {
        DatasetStatement[] memory x = new DatasetStatement[](2);
        x[0] = DatasetStatement(digest(0), 65, 1);
        x[1] = DatasetStatement(digest(1), 65, 2);
        bytes memory proof = proofOfShards(x);
        x[1].s = 3;
        refusesShard(
            abi.encodeCall(IDatasetRegistry.attest, (datasetVk, x, proof)), err(IDatasetRegistry.ProofInvalid.selector)
        );
        (uint32 length,) = datasets.shard(datasetVk, digest(0));
        eq(length, 0, "nothing of it");
        x[1].s = 2;
        datasets.attest(datasetVk, x, proof);
        (length,) = datasets.shard(datasetVk, digest(1));
        eq(length, 65, "all of it");
    }

    function test_attestations_belong_to_one_key() public {
        bytes32 other = registerKey(IKeyRegistry.Role.Dataset, address(new DatasetDouble()), "other", 0);
        attestShard(0, 4160);
        (uint32 length,) = datasets.shard(other, digest(0));
        eq(length, 0, "another key's word is not taken");
    }

    function test_attest_shard_refuses() public {
        bytes4 size = IDatasetRegistry.ShardLength.selector;
        refusesShard(attestCall(datasetVk, 0, 1, ""), err(size, 0));
        refusesShard(attestCall(datasetVk, 122_881, 1, ""), err(size, 122_881));
        refusesShard(attestCall(datasetVk, 65, R, ""), err(IDatasetRegistry.NotAFieldElement.selector, R));
        bytes memory role = err(IDatasetRegistry.KeyNotForDatasets.selector, uint256(scoreVk));
        refusesShard(attestCall(scoreVk, 65, 1, ""), role);
        bytes memory unknown = err(IKeyRegistry.KeyUnknown.selector, 3);
        refusesShard(attestCall(bytes32(uint256(3)), 65, 1, ""), unknown);
        bytes memory refusal = err(IDatasetRegistry.ProofInvalid.selector);
        refusesShard(attestCall(datasetVk, 65, 1, proofOf(65, 2)), refusal);
        refusesShard(attestCall(datasetVk, 65, 1, proofOf(66, 1)), refusal);
        bytes memory none = abi.encodeCall(IDatasetRegistry.attest, (datasetVk, new DatasetStatement[](0), ""));
        refusesShard(none, err(IDatasetRegistry.NoShards.selector));
        datasets.attest(datasetVk, shardList(digest(0), 65, 1), proofOf(65, 1));
    }

    function test_dataset_of_refuses() public {
        bytes32 schemaId = datasets.schemaOf(schema());
        bytes memory data = abi.encodeCall(IDatasetRegistry.datasetOf, (datasetVk, schemaId, 0, 65, new bytes32[](0)));
        refusesShard(data, err(IDatasetRegistry.NoShards.selector));
        data = abi.encodeCall(IDatasetRegistry.datasetOf, (datasetVk, schemaId, 0, 65, digests(1)));
        bytes4 unknown = IDatasetRegistry.ShardUnknown.selector;
        refusesShard(data, err(unknown, uint256(datasetVk), uint256(digest(0))));
        attestShard(0, 66);
        bytes4 mismatch = IDatasetRegistry.RecordMismatch.selector;
        refusesShard(data, abi.encodeWithSelector(mismatch, digest(0), 66, 0, 65));
        // A header of one byte makes it one record; a header of all of it none.
        (bytes32 D, uint32 n,) = datasets.datasetOf(datasetVk, schemaId, 1, 65, digests(1));
        check(D != 0 && n == 1, "one record behind a header");
        data = abi.encodeCall(IDatasetRegistry.datasetOf, (datasetVk, schemaId, 66, 65, digests(1)));
        refusesShard(data, abi.encodeWithSelector(mismatch, digest(0), 66, 66, 65));
        data = abi.encodeCall(IDatasetRegistry.datasetOf, (datasetVk, schemaId, 67, 65, digests(1)));
        refusesShard(data, abi.encodeWithSelector(mismatch, digest(0), 66, 67, 65));
        data = abi.encodeCall(IDatasetRegistry.datasetOf, (datasetVk, schemaId, 0, 0, digests(1)));
        refusesShard(data, err(IDatasetRegistry.SchemaInvalid.selector));
    }

    function test_the_market_knows_its_registries() public view {
        check(address(market.keyRegistry()) == address(keys), "the market's keys");
        check(address(market.datasetRegistry()) == address(datasets), "the market's datasets");
        check(address(datasets.keyRegistry()) == address(keys), "the datasets' keys");
    }
}
