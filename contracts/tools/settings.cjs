'use strict';
// Compiler settings of everything that is deployed. No metadata hash, so that bytecode depends on
// code alone. By the IR, because the market would otherwise exceed EIP-170 by two thousand bytes.
module.exports = {
  version: '0.8.37',
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: 'cancun',
    viaIR: true,
    metadata: { bytecodeHash: 'none' },
    outputSelection: {
      '*': {
        '': ['ast'],
        '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences'],
      },
    },
  },
};
