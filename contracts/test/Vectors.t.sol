// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement} from "../src/interfaces/IDatasetVerifier.sol";
import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {Schema} from "../src/interfaces/IDatasetRegistry.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {Double} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice The same numbers as Rust, from tests/vectors/commitments.json. What the contracts show
/// is compared directly; what only a whole bounty shows goes by Base's formulas, which every other
/// test here compares with the contracts.
contract VectorsTest is Base {
    string private json;

    function setUp() public {
        setUpWorld();
        json = vm.readFile("../tests/vectors/commitments.json");
    }

    function word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    function number(string memory key) private view returns (uint256) {
        return uint256(word(key));
    }

    function schemaVector(string memory at, uint16 featureType) private view returns (Schema memory s) {
        uint256[] memory shape = vm.parseJsonUintArray(json, string.concat(at, ".value.shape"));
        s.shape = new uint32[](shape.length);
        for (uint256 i; i < shape.length; ++i) {
            s.shape[i] = uint32(shape[i]);
        }
        s.featureType = featureType;
        s.featureMax = uint16(vm.parseJsonUint(json, string.concat(at, ".value.feature_max")));
        s.classes = uint16(vm.parseJsonUint(json, string.concat(at, ".value.classes")));
        s.labelAt = featureType == 272 ? 2 : 1;
        for (uint256 i; i < shape.length; ++i) {
            s.labelAt *= uint32(shape[i]);
        }
        s.stride = s.labelAt + 1;
    }

    function test_a_schema_of_another_layout() public view {
        string memory at = ".layoutSchema";
        Schema memory s = schemaVector(at, 8);
        s.offset = uint32(vm.parseJsonUint(json, string.concat(at, ".value.layout.offset")));
        s.stride = uint32(vm.parseJsonUint(json, string.concat(at, ".value.layout.stride")));
        s.featuresAt = uint32(vm.parseJsonUint(json, string.concat(at, ".value.layout.features_at")));
        s.labelAt = uint32(vm.parseJsonUint(json, string.concat(at, ".value.layout.label_at")));
        check(datasets.schemaOf(s) == word(".layoutSchema.schemaId"), "schemaId");
    }

    function test_a_schema_of_16_bits() public view {
        Schema memory s = schemaVector(".wideSchema", 272);
        check(datasets.schemaOf(s) == word(".wideSchema.schemaId"), "schemaId");
        eq(s.stride, 61, "record");
    }

    function test_schema_and_dataset() public {
        Schema memory schema_ = schemaVector(".schema", 8);
        bytes32 schemaId = datasets.schemaOf(schema_);
        check(schemaId == word(".schema.schemaId"), "schemaId");
        bytes32[] memory d = new bytes32[](2);
        for (uint256 j; j < 2; ++j) {
            string memory path = string.concat(".shards[", vm.toString(j), "]");
            bytes memory data = vm.parseJsonBytes(json, string.concat(path, ".bytes"));
            d[j] = word(string.concat(path, ".sha256"));
            check(sha256(data) == d[j], "digest");
            DatasetStatement[] memory x = shardList(d[j], data.length, number(string.concat(path, ".s")));
            datasets.attest(datasetVk, x, proofOfShards(x));
        }
        (bytes32 D, uint32 n,) = datasets.datasetOf(datasetVk, schemaId, 0, schema_.stride, d);
        eq(n, vm.parseJsonUint(json, ".dataset.n"), "n");
        check(D == word(".dataset.D"), "D");
        check(holdoutOf(word(".holdout.salt"), d) == word(".holdout.commitment"), "hold-out");
    }

    function test_context_and_commitment() public {
        address there = vm.parseJsonAddress(json, ".entry.market");
        vm.etch(there, address(market).code);
        vm.chainId(vm.parseJsonUint(json, ".entry.chainId"));
        address who = vm.parseJsonAddress(json, ".entry.hunter");
        uint256 bounty = vm.parseJsonUint(json, ".entry.bounty");
        uint8 slot = uint8(vm.parseJsonUint(json, ".entry.slot"));
        uint256 ctx = IBountyMarket(there).contextOf(bounty, who, slot, word(".vk.score.vkId"));
        eq(ctx, number(".entry.ctx"), "ctx");
        check(entryHash(ctx, number(".model.C")) == word(".entry.h"), "h");
    }

    function vk(string memory name) private view {
        string memory path = string.concat(".vk.", name);
        bytes32 expected = word(string.concat(path, ".vkId"));
        bytes32 got = vkIdOf(
            vm.parseJsonUint(json, string.concat(path, ".role")),
            word(string.concat(path, ".cs")),
            word(string.concat(path, ".srs")),
            vm.parseJsonBytes(json, string.concat(path, ".key")),
            word(string.concat(path, ".link"))
        );
        check(got == expected, name);
    }

    function test_vk_ids() public view {
        vk("score");
        vk("release");
    }

    function test_release_point() public view {
        ReleaseStatement memory x;
        x.ctx = number(".entry.ctx");
        x.C = number(".model.C");
        x.pkX = number(".release.pk[0]");
        x.pkY = number(".release.pk[1]");
        x.epkX = number(".release.epk[0]");
        x.epkY = number(".release.epk[1]");
        bytes32 vkId = word(".vk.release.vkId");
        eq(pointOf(vkId, word(".release.ciphertext_sha256"), x), number(".release.z"), "z");
    }
}
