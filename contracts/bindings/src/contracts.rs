//! One `sol!` module an interface: calls, events, errors and structs of a deployed contract.
//!
//! The contracts add nothing to their interfaces, so there is no second set of types for them;
//! [`crate::Artifact`] gives the code that creates one.

// The generated constructors and calls take as many arguments as the Solidity they mirror.
#![allow(clippy::too_many_arguments, missing_docs)]

use alloy::sol;

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IBountyMarket,
    "../artifacts/IBountyMarket.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IKeyRegistry,
    "../artifacts/IKeyRegistry.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IDatasetRegistry,
    "../artifacts/IDatasetRegistry.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IScoreVerifier,
    "../artifacts/IScoreVerifier.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IDatasetVerifier,
    "../artifacts/IDatasetVerifier.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IReleaseVerifier,
    "../artifacts/IReleaseVerifier.json"
);

sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    IDagPb,
    "../artifacts/IDagPb.json"
);
