// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev A plain ERC-20 token, of as many decimals as it is told.
contract Coin {
    uint8 public immutable decimals;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    /// @dev Takes a balance away, as a rebase or a seizure does.
    function seize(address from, uint256 amount) external {
        balanceOf[from] -= amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        spend(from, amount);
        move(from, to, amount);
        return true;
    }

    function spend(address from, uint256 amount) internal {
        allowance[from][msg.sender] -= amount;
    }

    function move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Returns nothing, like tokens older than the standard's bool.
contract SilentCoin is Coin(18) {
    function transfer(address to, uint256 amount) external override returns (bool) {
        move(msg.sender, to, amount);
        assembly {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        spend(from, amount);
        move(from, to, amount);
        assembly {
            return(0, 0)
        }
    }
}

/// @dev Says no instead of reverting, where it is told to.
contract FalseCoin is Coin(18) {
    bool public refusing;

    function refuse(bool yes) external {
        refusing = yes;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (refusing) return false;
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        if (refusing) return false;
        spend(from, amount);
        move(from, to, amount);
        return true;
    }
}

/// @dev Says yes and moves nothing.
contract LyingCoin is Coin(18) {
    function transferFrom(address, address, uint256) external pure override returns (bool) {
        return true;
    }
}

/// @dev Keeps one unit in a hundred of every transfer.
contract FeeCoin is Coin(18) {
    function move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// @dev Gives more than was asked.
contract GenerousCoin is Coin(18) {
    function move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount + 1;
    }
}

/// @dev Calls its receiver, or whoever it was told, before it moves anything (ERC-777).
contract HookCoin is Coin(18) {
    address private target;
    bytes private data;
    bytes public got;

    function hook(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function move(address from, address to, uint256 amount) internal override {
        if (target != address(0)) {
            bool ok;
            (ok, got) = target.call(data);
        }
        super.move(from, to, amount);
    }
}

/// @dev Stops whom, or everybody, when told.
contract GuardedCoin is Coin(6) {
    mapping(address => bool) public blacklisted;
    bool public paused;

    function blacklist(address who, bool yes) external {
        blacklisted[who] = yes;
    }

    function pause(bool yes) external {
        paused = yes;
    }

    function move(address from, address to, uint256 amount) internal override {
        require(!paused && !blacklisted[from] && !blacklisted[to], "guarded");
        super.move(from, to, amount);
    }
}

/// @dev Answers with a megabyte: true, and zeros.
contract LoudCoin is Coin(18) {
    function transfer(address to, uint256 amount) external override returns (bool) {
        move(msg.sender, to, amount);
        loud();
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        spend(from, amount);
        move(from, to, amount);
        loud();
    }

    function loud() private pure {
        assembly {
            mstore(0, 1)
            return(0, 1048576)
        }
    }
}
