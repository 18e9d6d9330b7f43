// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {Chunks} from "./libraries/Chunks.sol";
import {CHUNK_WORDS, MAX_CIPHERTEXT_CHUNKS, Tags} from "./libraries/Tags.sol";

/// @dev What every adapter answers, whatever it proves.
interface IAdapter {
    function srsId() external view returns (bytes32);
}

/// @title Verifying keys by content
contract KeyRegistry is IKeyRegistry {
    uint256 private constant MAX_CHUNKS = 16;
    uint256 private constant MAX_INFO = 512;

    mapping(bytes32 vkId => Key) private keys;
    mapping(address chunk => bool) private created;
    /// @inheritdoc IKeyRegistry
    mapping(bytes32 vkId => bytes32) public srsOf;
    /// @inheritdoc IKeyRegistry
    mapping(bytes32 vkId => mapping(bytes32 architecture => bool)) public describedAs;

    /// @inheritdoc IKeyRegistry
    function storeChunk(bytes calldata data) external returns (address chunk) {
        bytes memory init = _init(data);
        chunk = Chunks.addressOf(init);
        if (created[chunk]) return chunk;
        if (Chunks.create(init) != chunk) revert ChunkNotCreated();
        created[chunk] = true;
        emit ChunkStored(chunk, data.length);
    }

    /// @inheritdoc IKeyRegistry
    function register(
        Role role,
        address adapter,
        address[] calldata chunks,
        bytes32 link,
        bytes32 architecture,
        string calldata info
    ) external returns (bytes32 vkId) {
        if (role == Role.None) revert RoleInvalid();
        if (adapter.code.length == 0) revert AdapterWithoutCode(adapter);
        if (chunks.length == 0 || chunks.length > MAX_CHUNKS) revert ChunkCount(chunks.length);
        if (bytes(info).length > MAX_INFO) revert InfoTooLong(bytes(info).length);
        _checkChunks(chunks);
        if (!_linkFits(role, link)) revert LinkInvalid(role, link);

        Key memory k = Key(role, adapter, adapter.codehash, link, chunks);
        bytes32 srsId = IAdapter(adapter).srsId();
        bytes32 keyHash = Chunks.hash(chunks);
        vkId = keccak256(abi.encode(Tags.VK, uint256(role), k.codeHash, srsId, keyHash, link));
        // A key whose adapter is gone may move: its vkId fixes code, bytes and link, so that nothing but
        // the address can differ. Else an adapter destroyed on purpose would close the vkId for ever.
        if (_alive(keys[vkId])) revert KeyExists(vkId);
        keys[vkId] = k;
        srsOf[vkId] = srsId;
        _announce(vkId, k, srsId, keyHash, info);
        // Only a score key belongs to a graph; the other circuits are the protocol's own.
        if (role == Role.Score) _describe(vkId, role, architecture);
        else if (architecture != 0) revert ArchitectureInvalid(role, architecture);
    }

    /// @inheritdoc IKeyRegistry
    function describe(bytes32 vkId, bytes32 architecture) external {
        if (keys[vkId].role == Role.None) revert KeyUnknown(vkId);
        _describe(vkId, keys[vkId].role, architecture);
    }

    function _describe(bytes32 vkId, Role role, bytes32 architecture) private {
        if (role != Role.Score || architecture == 0) revert ArchitectureInvalid(role, architecture);
        describedAs[vkId][architecture] = true;
        emit KeyDescribed(vkId, architecture, msg.sender);
    }

    function _announce(bytes32 vkId, Key memory k, bytes32 srsId, bytes32 keyHash, string calldata info) private {
        emit KeyRegistered(vkId, k.role, k.adapter, k.codeHash, srsId, keyHash, k.link, k.chunks, info);
    }

    /// @inheritdoc IKeyRegistry
    function key(bytes32 vkId) external view returns (Key memory k) {
        k = keys[vkId];
        if (k.role == Role.None) revert KeyUnknown(vkId);
        // An adapter created and destroyed in one transaction can come back with other code.
        if (!_alive(keys[vkId])) revert AdapterChanged(vkId, k.adapter);
    }

    /// @inheritdoc IKeyRegistry
    function roleOf(bytes32 vkId) external view returns (Role) {
        Key storage k = keys[vkId];
        return _alive(k) ? k.role : Role.None;
    }

    /// @inheritdoc IKeyRegistry
    function linkOf(bytes32 vkId) external view returns (bytes32) {
        return keys[vkId].link;
    }

    /// @inheritdoc IKeyRegistry
    function chunkAt(bytes calldata data) external view returns (address chunk, bool stored) {
        chunk = Chunks.addressOf(_init(data));
        stored = created[chunk];
    }

    /// @dev Whether the key is registered and its adapter still has the registered code.
    function _alive(Key storage k) private view returns (bool) {
        return k.role != Role.None && k.adapter.codehash == k.codeHash;
    }

    function _checkChunks(address[] calldata chunks) private view {
        for (uint256 i; i < chunks.length; ++i) {
            address chunk = chunks[i];
            // A chunk made elsewhere could be destroyed and made anew with other bytes.
            if (!created[chunk]) revert ChunkUnknown(chunk);
            // One cut for the same bytes: the vkId does not name it, and an adapter may not read another.
            uint256 size = chunk.code.length - 1;
            if (i + 1 != chunks.length && size != Chunks.MAX_BYTES) revert ChunkSize(size);
        }
    }

    function _init(bytes calldata data) private pure returns (bytes memory) {
        if (data.length == 0 || data.length > Chunks.MAX_BYTES) revert ChunkSize(data.length);
        return Chunks.initCode(data);
    }

    /// @dev A score key names the release key that pays its claims, a release key its ciphertext words.
    function _linkFits(Role role, bytes32 link) private view returns (bool) {
        if (role == Role.Score) return keys[link].role == Role.Release;
        if (role == Role.Release) return uint256(link) != 0 && uint256(link) <= CHUNK_WORDS * MAX_CIPHERTEXT_CHUNKS;
        return link == 0;
    }
}
