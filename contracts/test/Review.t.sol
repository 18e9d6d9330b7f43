// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {Base} from "./Base.sol";
import {ReleaseDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @dev An account with any code that is gone when its transaction ends: it is destroyed in the
/// constructor's name before it has code at all (EIP-6780).
contract Phantom {
    constructor(address bomb, bytes memory code) {
        (bool ok,) = bomb.delegatecall("");
        require(ok, "bomb");
        assembly {
            return(add(code, 32), mload(code))
        }
    }
}

contract Poisoner {
    function poison(IKeyRegistry keys, address bomb, address honest, address[] calldata chunks, bytes32 link)
        external
        returns (bytes32 vkId, address adapter)
    {
        adapter = address(new Phantom(bomb, honest.code));
        vkId = keys.register(IKeyRegistry.Role.Release, adapter, chunks, link, 0, "");
    }
}

/// @notice Attacks on what everybody shares: a key's identity, and an owner's way out.
contract ReviewTest is Base {
    address private honest;
    address private phantom;
    bytes32 private poisoned;
    address[] private wanted;

    /// @dev One transaction for the poisoner too: what it destroys is gone when the tests begin.
    function setUp() public {
        setUpWorld();
        honest = address(new ReleaseDouble());
        wanted.push(keys.storeChunk("wanted"));
        address bomb = address(0xB0B);
        vm.etch(bomb, hex"33ff"); // CALLER, SELFDESTRUCT
        (poisoned, phantom) = new Poisoner().poison(keys, bomb, honest, wanted, bytes32(WORDS));
    }

    function pair(bytes memory a, bytes memory b) private returns (address[] memory chunks) {
        chunks = new address[](2);
        (chunks[0], chunks[1]) = (keys.storeChunk(a), keys.storeChunk(b));
    }

    function tryRegister(address adapter, address[] memory chunks) private returns (bool ok, bytes memory got) {
        bytes memory data =
            abi.encodeCall(IKeyRegistry.register, (IKeyRegistry.Role.Release, adapter, chunks, bytes32(WORDS), 0, ""));
        return address(keys).call(data);
    }

    /// @dev The cut of a key's bytes is not part of its vkId. A Groth16 verifier reads one chunk: whoever
    /// registered a release key in two pieces first would have closed that vkId's claims for ever.
    function test_a_key_has_one_cut() public {
        address adapter = address(new ReleaseDouble());
        (bool ok, bytes memory got) = tryRegister(adapter, pair("fir", "st"));
        check(!ok, "registered in pieces");
        check(keccak256(got) == keccak256(abi.encodeWithSelector(IKeyRegistry.ChunkSize.selector, 3)), "why");
        registerKey(IKeyRegistry.Role.Release, adapter, "first", bytes32(WORDS));

        (ok,) = tryRegister(adapter, pair(new bytes(24_575), "rest"));
        check(ok, "full chunks, then the rest");
        (ok,) = tryRegister(adapter, pair(new bytes(24_574), "xrest"));
        check(!ok, "one byte short");
    }

    /// @dev Anyone can create an adapter with an honest one's code, name it in a registration and have it
    /// destroyed in the same transaction. The vkId must not die with it.
    function test_a_key_outlives_its_adapter() public {
        eq(phantom.code.length, 0, "gone");
        (bool ok, bytes memory got) = address(keys).call(abi.encodeCall(IKeyRegistry.key, (poisoned)));
        check(!ok && bytes4(got) == IKeyRegistry.AdapterChanged.selector, "nobody answers for it");
        check(keys.roleOf(poisoned) == IKeyRegistry.Role.None, "no bounty lists it");

        (ok, got) = tryRegister(honest, wanted);
        check(ok && abi.decode(got, (bytes32)) == poisoned, "registered all the same");
        IKeyRegistry.Key memory k = keys.key(poisoned);
        check(k.adapter == honest && k.link == bytes32(WORDS) && k.chunks[0] == wanted[0], "key");
        check(keys.roleOf(poisoned) == IKeyRegistry.Role.Release, "role");

        (ok, got) = tryRegister(address(new ReleaseDouble()), wanted);
        check(!ok && bytes4(got) == IKeyRegistry.KeyExists.selector, "a living one is never replaced");
    }

    /// @dev Who sees an owner cancel a bounty that nobody entered could enter first, have the stake
    /// back at once and half the bond with it.
    function test_cancel_cannot_be_made_to_cost_the_bond() public {
        uint256 id = create(sealedParams());
        commit(id, 0, 0);
        vm.prank(owner);
        (bool ok, bytes memory got) = address(market).call(abi.encodeCall(IBountyMarket.cancel, (id, 0)));
        check(!ok, "cancelled at the price of the bond");
        check(
            keccak256(got) == keccak256(abi.encodeWithSelector(IMarketErrors.TooManyEntrants.selector, 1, 0)), "why"
        );
        vm.prank(owner);
        market.cancel(id, 1);
        eq(owed(owner), 4 ether, "prizes");
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.06 ether + 0.2 ether, "stake and half the bond");
    }
}
