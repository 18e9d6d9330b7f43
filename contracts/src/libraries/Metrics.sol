// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../interfaces/IBountyMarket.sol";

/// @title What a score counts
/// @notice All the market asks of a metric, in two functions: another metric is another branch in each
/// and a number in `IBountyMarket.Metric`. A bounty cannot bring its own: a metric that changes its mind
/// would decide who wins.
library Metrics {
    /// @notice Largest score that so many samples can have. Also bounds a threshold.
    function most(IBountyMarket.Metric metric, uint256 samples) internal pure returns (uint256) {
        assert(metric == IBountyMarket.Metric.Accuracy);
        return samples;
    }

    /// @notice Score of an entry after one more shard.
    /// @dev No overflow: 256 shards of at most 122,880 samples.
    function fold(IBountyMarket.Metric metric, uint32 total, uint32 score) internal pure returns (uint32) {
        assert(metric == IBountyMarket.Metric.Accuracy);
        return total + score;
    }
}
