// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Verifying keys by content
/// @notice Anyone registers a key; nobody can change one. A vkId names what a key is for, the code
/// that answers for it, its bytes and its companion, so that trust in a vkId is trust in nothing else.
interface IKeyRegistry {
    /// @notice What a key proves; the numbers are part of a vkId.
    enum Role {
        None,
        Dataset,
        Score,
        Release,
        Mint
    }

    /// @param role what the key proves
    /// @param adapter contract that answers for the key
    /// @param codeHash the adapter's code hash at registration
    /// @param link score key: vkId of its release key; release key: ciphertext words, at most 196,608; otherwise zero
    /// @param chunks data contracts holding the key's bytes, in order
    struct Key {
        Role role;
        address adapter;
        bytes32 codeHash;
        bytes32 link;
        address[] chunks;
    }

    /// @notice A chunk of key bytes now lies in a data contract.
    /// @param chunk its address, which follows from its bytes
    /// @param size bytes of the chunk
    event ChunkStored(address indexed chunk, uint256 size);

    /// @notice A key is registered.
    /// @param keyHash keccak256 of the concatenated chunks
    /// @param info free text for humans; not part of vkId
    event KeyRegistered(
        bytes32 indexed vkId,
        Role indexed role,
        address indexed adapter,
        bytes32 codeHash,
        bytes32 srsId,
        bytes32 keyHash,
        bytes32 link,
        address[] chunks,
        string info
    );

    /// @notice Somebody names the architecture a key was made from. Anyone can, wrongly too: a node fetches
    /// it by this CID, derives the vkId again and believes nothing else.
    /// @param architecture SHA-256 digest in the CID (version 1, raw) of the published graph
    event KeyDescribed(bytes32 indexed vkId, bytes32 indexed architecture, address indexed by);

    /// @notice A score key is registered with its architecture's digest, any other key without one.
    error ArchitectureInvalid(Role role, bytes32 architecture);
    /// @notice A chunk has 1 to 24,575 bytes (EIP-170 less the leading STOP); all but a key's last have 24,575.
    error ChunkSize(uint256 size);
    /// @notice The data contract could not be created.
    error ChunkNotCreated();
    /// @notice The address is not a chunk this registry created.
    error ChunkUnknown(address chunk);
    /// @notice A key has 1 to 16 chunks.
    error ChunkCount(uint256 count);
    /// @notice The role is None.
    error RoleInvalid();
    /// @notice The adapter has no code.
    error AdapterWithoutCode(address adapter);
    /// @notice The adapter's code is no longer the registered one.
    error AdapterChanged(bytes32 vkId, address adapter);
    /// @notice The link does not fit the role.
    error LinkInvalid(Role role, bytes32 link);
    /// @notice The vkId is registered already, and its adapter is there.
    error KeyExists(bytes32 vkId);
    /// @notice No key has this vkId.
    error KeyUnknown(bytes32 vkId);
    /// @notice The info text exceeds 512 bytes.
    error InfoTooLong(uint256 size);

    /// @notice Puts key bytes into a data contract. The same bytes give the same address, whoever asks.
    /// @dev Several transactions may fill one key: each stays under the gas cap of EIP-7825.
    function storeChunk(bytes calldata data) external returns (address chunk);

    /// @notice Registers a key, or finds a new adapter with the same code for one whose adapter is gone.
    /// @param chunks addresses from `storeChunk`, in order, all but the last full
    /// @param link see `Key.link`
    /// @param architecture score key: SHA-256 digest in the CID of the published graph; otherwise zero
    /// @return vkId keccak256(abi.encode(TAG_VK, role, codeHash, srsId, keccak256(key bytes), link))
    function register(
        Role role,
        address adapter,
        address[] calldata chunks,
        bytes32 link,
        bytes32 architecture,
        string calldata info
    ) external returns (bytes32 vkId);

    /// @notice Names an architecture of a registered score key: whoever registered it first may have lied.
    function describe(bytes32 vkId, bytes32 architecture) external;

    /// @notice The key, after checking that its adapter's code is still the registered one.
    function key(bytes32 vkId) external view returns (Key memory);

    /// @notice Role of a vkId; `None` when it is unknown or its adapter's code is no longer the registered one.
    function roleOf(bytes32 vkId) external view returns (Role);

    /// @notice Identity of the structured reference string under a vkId; zero when it is unknown.
    function srsOf(bytes32 vkId) external view returns (bytes32);

    /// @notice Whether somebody named this architecture for the key.
    function describedAs(bytes32 vkId, bytes32 architecture) external view returns (bool);

    /// @notice Link of a vkId; zero when it is unknown.
    function linkOf(bytes32 vkId) external view returns (bytes32);

    /// @notice Where `storeChunk` puts these bytes.
    function chunkAt(bytes calldata data) external view returns (address chunk, bool stored);
}
