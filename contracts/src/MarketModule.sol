// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {MarketBooks} from "./MarketBooks.sol";
import {MarketStorage} from "./MarketStorage.sol";

/// @title Code that a market runs on its own storage
/// @dev Called directly it refuses: money sent to a module would belong to nobody.
abstract contract MarketModule is MarketBooks {
    /// @notice This module's own address.
    address public immutable self;

    constructor(IDatasetRegistry datasetRegistry_) MarketStorage(datasetRegistry_) {
        self = address(this);
    }

    function _enter() internal override {
        if (address(this) == self) revert IMarketErrors.NotTheMarket();
        super._enter();
    }
}
