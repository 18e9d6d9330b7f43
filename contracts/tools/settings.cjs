'use strict';
// Compiler settings of everything that is deployed. No metadata hash, so that bytecode depends on
// code alone. By the IR, which makes it a tenth smaller.
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
        '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences', 'storageLayout'],
      },
    },
  },
};
