'use strict';
// Compiler settings: the single copy. foundry.toml repeats them for forge, and tools/compile.cjs
// checks that it does. No metadata hash, so that bytecode depends on code alone.
module.exports = {
  version: '0.8.37',
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: 'cancun',
    viaIR: false,
    metadata: { bytecodeHash: 'none' },
    outputSelection: {
      '*': {
        '': ['ast'],
        '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences'],
      },
    },
  },
};
