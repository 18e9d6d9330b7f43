// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Where the verifier of the CID argument keeps what it needs: everything from SCRATCH on is its own.
// Tables of eq are indexed by integer; challenges stand in the order of their variables.

/// @dev Eight words for precompiles, and the final sum.
uint256 constant SCRATCH = 0xa00;
/// @dev tau, one a slot variable; then theta, one a row variable.
uint256 constant TAU = 0xc00;
uint256 constant THETA = 0xdc0;
/// @dev Challenges of the row rounds.
uint256 constant RHO = 0xe80;
/// @dev Challenges of the read rounds, those of the block rounds, that of the stack: the point of the opening.
uint256 constant PI = 0xf40;
uint256 constant X = 0x1000;
/// @dev Weights at x: act, wC, wA, wN, wX, wV, eq(tau, x).
uint256 constant ACT = 0x11c0;
uint256 constant WC = 0x11e0;
uint256 constant WA = 0x1200;
uint256 constant WN = 0x1220;
uint256 constant WX = 0x1240;
uint256 constant WV = 0x1260;
uint256 constant EQ = 0x1280;
/// @dev Value of the opening.
uint256 constant VALUE = 0x12a0;
/// @dev eq(rho, t) and eq(pi, t) for the 64 rows.
uint256 constant ROW_RHO = 0x1300;
uint256 constant ROW_PI = 0x1b00;
/// @dev wM_k for the 64 bytes of a block.
uint256 constant TAIL = 0x2300;
/// @dev Coefficients of the 109 columns in the opening, and a word of zeros; then those of the 55 polynomials.
uint256 constant COLUMN = 0x2b00;
/// @dev Powers 0 to 274 of alpha.
uint256 constant ALPHA = 0x38c0;
uint256 constant ALPHA_BIT = 0x3920;
uint256 constant ALPHA_SBOX = 0x4680;
uint256 constant ALPHA_CHAIN = 0x5180;
uint256 constant ALPHA_INPUT = 0x5280;
uint256 constant ALPHA_COMMITMENT = 0x5300;
uint256 constant ALPHA_PADDING = 0x5320;
/// @dev The key: a header, 88 constants of the sponge, its matrix by rows, 64 round constants.
uint256 constant KEY = 0x5b40;
uint256 constant SBOX = 0x5b60;
uint256 constant MDS = 0x6660;
uint256 constant ROUND = 0x6860;
/// @dev eq(tau, ·) and eq(x, ·) over the low half of a slot's bits and over the high half.
uint256 constant TAU_LOW = 0x7060;
uint256 constant TAU_HIGH = 0x8060;
uint256 constant X_LOW = 0x9060;
uint256 constant X_HIGH = 0xa060;
/// @dev Powers 0 to 426 of gamma: made when the four tables above are read for the last time.
uint256 constant GAMMA = 0x7060;
/// @dev Room for the transcript's state, the SRS, the number of shards, the shards, the proof.
uint256 constant STATEMENT = 0xb060;

/// @dev Parts of a proof: the values after the block rounds, reads, in bytes.
uint256 constant VALUES = 3008;
uint256 constant READS = 8768;
