// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDagPb} from "../src/interfaces/IDagPb.sol";
import {Base} from "./Base.sol";
import {Nodes} from "./Nodes.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Trees from their root to their leaves. Trees of the Rust builder, which are Kubo's, and thousands of broken
/// ones are read in contracts/bindings/tests/dag_pb.rs.
contract DagPbTest is Base, Nodes {
    IDagPb private dag;

    function setUp() public {
        setUpWorld();
        attestShards(3);
        dag = IDagPb(deploy("DagPb", abi.encode(datasets)));
    }

    function one(bytes memory node) private pure returns (bytes[] memory nodes) {
        nodes = new bytes[](1);
        nodes[0] = node;
    }

    function two(bytes memory a, bytes memory b) private pure returns (bytes[] memory nodes) {
        nodes = new bytes[](2);
        (nodes[0], nodes[1]) = (a, b);
    }

    function sizes(uint256 count, uint64 each) private pure returns (uint64[] memory s) {
        s = new uint64[](count);
        for (uint256 j; j < count; ++j) {
            s[j] = each;
        }
    }

    /// @dev A file of the shards 0 to count - 1.
    function file(uint256 count) private pure returns (bytes memory) {
        return fileNode(digests(count), sizes(count, SHARD_BYTES));
    }

    /// @dev What `dataset import` writes: the manifest, then shards; the last is a file of one more node.
    function folder() private pure returns (bytes[] memory nodes) {
        bytes memory below = file(1);
        bytes memory links = bytes.concat(
            link(true, sha256("manifest"), "manifest.json", 300),
            link(true, digest(1), "shard-00000.bin", SHARD_BYTES),
            link(false, sha256(below), "shard-00001.bin", below.length + SHARD_BYTES)
        );
        return two(bytes.concat(links, data(hex"0801")), below);
    }

    function refusesTree(bytes[] memory nodes, bytes memory expected) private {
        bytes32 root = sha256(nodes[0]);
        refusesAt(address(dag), owner, 0, abi.encodeCall(IDagPb.leavesOf, (root, nodes)), expected);
        refusesAt(address(dag), owner, 0, abi.encodeCall(IDagPb.record, (root, nodes)), expected);
    }

    function refusesNode(bytes memory node, bytes memory expected) private {
        refusesTree(one(node), expected);
    }

    function atByte(bytes4 e, uint256 pos) private pure returns (bytes memory) {
        return abi.encodeWithSelector(e, 0, pos);
    }

    // --------------------------------------------------------------- answers

    function test_a_file_is_its_leaves_in_order() public view {
        (bytes32[] memory d, uint64[] memory lengths) = dag.leavesOf(sha256(file(3)), one(file(3)));
        eq(d.length, 3, "leaves");
        eq(lengths.length, 3, "lengths");
        for (uint256 j; j < 3; ++j) {
            check(d[j] == digest(j), "digest");
            eq(lengths[j], SHARD_BYTES, "length");
        }
    }

    function test_a_folder_is_its_files_without_the_manifest() public view {
        bytes[] memory nodes = folder();
        (bytes32[] memory d, uint64[] memory lengths) = dag.leavesOf(sha256(nodes[0]), nodes);
        eq(d.length, 2, "leaves");
        check(d[0] == digest(1) && d[1] == digest(0), "in the order of names");
        check(lengths[0] == SHARD_BYTES && lengths[1] == SHARD_BYTES, "lengths");
    }

    function test_the_manifest_hides_its_own_leaves_alone() public view {
        bytes memory below = file(2);
        bytes memory links = bytes.concat(
            link(false, sha256(below), "manifest.json", below.length + 2 * SHARD_BYTES),
            link(true, digest(2), "manifest.jsonx", SHARD_BYTES)
        );
        bytes[] memory nodes = two(bytes.concat(links, data(hex"0801")), below);
        (bytes32[] memory d,) = dag.leavesOf(sha256(nodes[0]), nodes);
        eq(d.length, 1, "leaves");
        check(d[0] == digest(2), "what comes after it");
    }

    function test_a_root_stands_for_a_dataset() public {
        bytes32 schemaId = datasets.schemaOf(schema());
        bytes32 root = sha256(file(3));
        (bytes32 D, uint32 n) = dag.datasetOf(root, one(file(3)), datasetVk, schemaId, 0, 65);
        (bytes32 expected, uint32 samples,) = datasets.datasetOf(datasetVk, schemaId, 0, 65, digests(3));
        check(D == expected && n == samples && n == 192, "the same dataset");
        bytes memory other = fileNode(digests(2), sizes(2, SHARD_BYTES + 1));
        refusesAt(
            address(dag),
            owner,
            0,
            abi.encodeCall(IDagPb.datasetOf, (sha256(other), one(other), datasetVk, schemaId, 0, 65)),
            abi.encodeWithSelector(IDagPb.LeafLength.selector, digest(0), SHARD_BYTES + 1, SHARD_BYTES)
        );
    }

    function test_a_root_is_recorded_once() public {
        bytes32 root = sha256(file(3));
        check(dag.digestsHashOf(root) == 0, "unknown");
        bytes32 packed = keccak256(abi.encodePacked(digests(3)));
        vm.recordLogs();
        dag.record(root, one(file(3)));
        dag.record(root, one(file(3)));
        check(dag.digestsHashOf(root) == packed, "the digests' hash");
        check(address(dag.datasetRegistry()) == address(datasets), "registry");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1, "told once");
        check(logs[0].topics[1] == root, "which root");
        bytes memory told = abi.encode(uint256(3), 3 * uint256(SHARD_BYTES), packed);
        check(keccak256(logs[0].data) == keccak256(told), "how much");
    }

    // -------------------------------------------------------------- refusals

    function test_trees_that_are_not_the_roots() public {
        bytes[] memory nodes = folder();
        refusesTree(one(nodes[0]), err(IDagPb.NodeMissing.selector, 1));
        refusesAt(
            address(dag), owner, 0, abi.encodeCall(IDagPb.leavesOf, (0, new bytes[](0))), err(IDagPb.NodeMissing.selector, 0)
        );
        refusesTree(two(file(1), file(1)), err(IDagPb.NodesLeft.selector, 1, 2));
        bytes memory other = file(2);
        refusesTree(
            two(nodes[0], other),
            abi.encodeWithSelector(IDagPb.NodeOther.selector, 1, sha256(nodes[1]), sha256(other))
        );
    }

    function test_sizes_are_true() public {
        bytes memory links = bytes.concat(link(true, digest(0), "", 7), link(true, digest(1), "", 8));
        refusesNode(
            bytes.concat(links, data(hex"080218102007_2008")),
            abi.encodeWithSelector(IDagPb.FileSize.selector, 0, 16, 15)
        );
        refusesNode(
            bytes.concat(links, data(hex"0802180f2008_2007")),
            abi.encodeWithSelector(IDagPb.TreeSize.selector, 0, 7, 8)
        );
        refusesNode(bytes.concat(links, data(hex"0802180f2007")), err(IDagPb.SizeCount.selector, 0));
        refusesNode(bytes.concat(links, data(hex"0802180f2007_2008_2000")), err(IDagPb.SizeCount.selector, 0));
        refusesNode(bytes.concat(link(true, digest(0), "", 0), data(hex"080218002000")), atByte(IDagPb.LeafEmpty.selector, 42));
        bytes memory below = file(1);
        uint256 all = below.length + SHARD_BYTES;
        bytes memory up = link(false, sha256(below), "", all);
        bytes memory size = varint(SHARD_BYTES + 1);
        refusesTree(
            two(bytes.concat(up, data(bytes.concat(hex"080218", size, hex"20", size))), below),
            abi.encodeWithSelector(IDagPb.ChildSize.selector, 1, SHARD_BYTES + 1, SHARD_BYTES)
        );
        up = link(false, sha256(below), "", all + 1);
        size = varint(SHARD_BYTES);
        refusesTree(
            two(bytes.concat(up, data(bytes.concat(hex"080218", size, hex"20", size))), below),
            abi.encodeWithSelector(IDagPb.TreeSize.selector, 1, all + 1, all)
        );
    }

    function test_kinds() public {
        bytes memory leaf = link(true, digest(0), "", 7);
        refusesNode(data(hex"0801"), err(IDagPb.NoLinks.selector, 0));
        refusesNode(data(hex"08021800"), err(IDagPb.NoLinks.selector, 0));
        refusesNode(bytes.concat(leaf, data(hex"0802120161_1807_2007")), err(IDagPb.InlineData.selector, 0));
        for (uint8 kind; kind < 9; ++kind) {
            if (kind == 1 || kind == 2) continue;
            refusesNode(
                bytes.concat(leaf, data(abi.encodePacked(hex"08", kind, hex"1807_2007"))),
                err(IDagPb.KindUnsupported.selector, 0, kind)
            );
        }
        bytes memory inner = bytes.concat(link(true, digest(0), "a", 7), data(hex"0801"));
        bytes memory outer = bytes.concat(link(false, sha256(inner), "b", inner.length + 7), data(hex"0801"));
        refusesTree(two(outer, inner), err(IDagPb.FolderInside.selector, 1));
    }

    function test_names() public {
        bytes4 invalid = IDagPb.NameInvalid.selector;
        bytes memory end = data(hex"0801");
        refusesNode(bytes.concat(link(true, digest(0), "x", 7), data(hex"080218072007")), atByte(invalid, 42));
        string[7] memory bad = ["", ".", "..", "a/b", "a\x00", "\x7f", "\xc3\xa4"];
        for (uint256 k; k < bad.length; ++k) {
            refusesNode(bytes.concat(link(true, digest(0), bad[k], 7), end), atByte(invalid, 42));
        }
        bytes memory longName = new bytes(256);
        for (uint256 k; k < 256; ++k) {
            longName[k] = "a";
        }
        refusesNode(bytes.concat(link(true, digest(0), string(longName), 7), end), atByte(invalid, 44));
        assembly ("memory-safe") {
            mstore(longName, 255)
        }
        bytes memory longest = bytes.concat(link(true, digest(0), string(longName), 7), end);
        (bytes32[] memory only,) = dag.leavesOf(sha256(longest), one(longest));
        eq(only.length, 1, "the longest name");
        string[2][4] memory order = [["b", "a"], ["a", "a"], ["ab", "a"], ["a.", "a-z"]];
        for (uint256 k; k < order.length; ++k) {
            bytes memory first = link(true, digest(0), order[k][0], 7);
            bytes memory both = bytes.concat(first, link(true, digest(1), order[k][1], 7));
            refusesNode(bytes.concat(both, end), atByte(IDagPb.NameOrder.selector, first.length + 42));
        }
        string[5] memory good = [" ", "...", "..a", "a", "~"];
        bytes memory links;
        for (uint256 k; k < good.length; ++k) {
            links = bytes.concat(links, link(true, digest(k), good[k], 7));
        }
        bytes memory node = bytes.concat(links, end);
        (bytes32[] memory d,) = dag.leavesOf(sha256(node), one(node));
        eq(d.length, 5, "odd but good names");
    }

    function test_one_spelling() public {
        bytes4 field = IDagPb.FieldUnexpected.selector;
        bytes memory leaf = link(true, digest(0), "", 7);
        bytes memory end = data(hex"080218072007");
        uint256 n = leaf.length;
        refusesNode("", atByte(IDagPb.Truncated.selector, 0));
        refusesNode(leaf, atByte(IDagPb.Truncated.selector, n));
        refusesNode(bytes.concat(end, leaf), atByte(field, end.length));
        refusesNode(bytes.concat(leaf, end, hex"1a00"), atByte(field, n + end.length));
        refusesNode(bytes.concat(leaf, hex"1a00", end), atByte(field, n));
        refusesNode(bytes.concat(leaf, data(hex"18070802_2007")), atByte(field, n + 2));
        refusesNode(bytes.concat(leaf, data(hex"0802_2007_1807")), atByte(field, n + 4));
        refusesNode(bytes.concat(leaf, data(hex"080218072007_38a403")), atByte(field, n + 8));
        refusesNode(bytes.concat(leaf, data(hex"08021807_220107")), atByte(field, n + 6));
        refusesNode(bytes.concat(leaf, hex"0aff0108"), atByte(IDagPb.Truncated.selector, n + 3));
        refusesNode(bytes.concat(leaf, hex"0a8600080218072007"), atByte(IDagPb.VarintInvalid.selector, n + 1));
        refusesNode(
            bytes.concat(leaf, data(hex"080218ffffffffffffffffff022007")), atByte(IDagPb.VarintInvalid.selector, n + 5)
        );
        refusesNode(bytes.concat(leaf, data(hex"0802")), atByte(IDagPb.Truncated.selector, n + 4));
        bytes memory cid = abi.encodePacked(hex"01551220", digest(0));
        bytes[6] memory odd = [
            bytes.concat(hex"0a24", cid, hex"1200"),
            bytes.concat(hex"0a24", cid, hex"1807"),
            bytes.concat(hex"0a24", cid, hex"120018071200"),
            bytes.concat(hex"12000a24", cid, hex"1807"),
            bytes.concat(hex"0a23", cid, hex"12001807"),
            bytes.concat(hex"0a24_01711220", digest(0), hex"12001807")
        ];
        bytes[6] memory why = [
            atByte(IDagPb.Truncated.selector, 42),
            atByte(field, 40),
            atByte(field, 44),
            atByte(field, 2),
            atByte(IDagPb.LinkInvalid.selector, 4),
            atByte(IDagPb.LinkInvalid.selector, 4)
        ];
        for (uint256 k; k < odd.length; ++k) {
            refusesNode(bytes.concat(hex"12", varint(odd[k].length), odd[k], end), why[k]);
        }
    }

    /// @dev Sixteen nodes from root to leaf are read, seventeen are not.
    function test_depth() public {
        for (uint256 depth = 16; depth < 18; ++depth) {
            bytes[] memory nodes = new bytes[](depth);
            nodes[depth - 1] = file(1);
            uint256 all = SHARD_BYTES + nodes[depth - 1].length;
            for (uint256 k = depth - 1; k != 0; --k) {
                bytes memory size = varint(SHARD_BYTES);
                bytes memory up = link(false, sha256(nodes[k]), "", all);
                nodes[k - 1] = bytes.concat(up, data(bytes.concat(hex"080218", size, hex"20", size)));
                all += nodes[k - 1].length;
            }
            if (depth == 17) refusesTree(nodes, err(IDagPb.TooDeep.selector, 16));
            else dag.leavesOf(sha256(nodes[0]), nodes);
        }
    }

    function test_caps() public {
        bytes32[] memory same = new bytes32[](8193);
        bytes memory node = fileNode(same, sizes(8193, 1));
        refusesNode(node, err(IDagPb.TooManyLeaves.selector));
        // 1,024 times the same node under one root.
        bytes[] memory nodes = new bytes[](1025);
        bytes memory below = file(1);
        bytes[] memory links = new bytes[](1024);
        bytes[] memory blocks = new bytes[](1024);
        bytes memory size = bytes.concat(hex"20", varint(SHARD_BYTES));
        for (uint256 k; k < 1024; ++k) {
            (nodes[k + 1], blocks[k]) = (below, size);
            links[k] = link(false, sha256(below), "", below.length + SHARD_BYTES);
        }
        bytes memory total = varint(1024 * uint256(SHARD_BYTES));
        nodes[0] = bytes.concat(join(links), data(bytes.concat(hex"080218", total, join(blocks))));
        refusesTree(nodes, err(IDagPb.TooManyNodes.selector));
    }

    // --------------------------------------------------------------- fuzzing

    /// @dev A tree has one spelling: what is read, written again, is what was given. Writing takes longer than reading.
    /// forge-config: default.fuzz.runs = 2000
    function test_fuzz_what_is_read_was_written_so(bytes32 seed, uint8 count, uint8 place, uint8 other) public view {
        uint256 leaves = count % 5 + 1;
        uint64[] memory lengths = new uint64[](leaves);
        bytes32[] memory d = new bytes32[](leaves);
        for (uint256 j; j < leaves; ++j) {
            d[j] = keccak256(abi.encode(seed, j));
            lengths[j] = uint64(uint256(d[j]) >> (200 + uint256(d[j]) % 50)) + 1;
        }
        bytes memory node = fileNode(d, lengths);
        node[uint256(keccak256(abi.encode(seed, place))) % node.length] = bytes1(other);
        try dag.leavesOf(sha256(node), one(node)) returns (bytes32[] memory got, uint64[] memory said) {
            check(keccak256(fileNode(got, said)) == keccak256(node), "another spelling");
        } catch (bytes memory why) {
            check(why.length >= 4 && bytes4(why) != bytes4(0x4e487b71), "a named error");
        }
    }

    function test_fuzz_garbage_is_refused_by_name(bytes memory garbage) public view {
        try dag.leavesOf(sha256(garbage), one(garbage)) {
            check(false, "accepted");
        } catch (bytes memory why) {
            check(why.length >= 4 && bytes4(why) != bytes4(0x4e487b71), "a named error");
        }
    }
}
