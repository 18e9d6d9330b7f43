//! What a node is told by its user: one file of defaults that is also the documentation, then the node's own file, then
//! the environment, then flags.
//!
//! * [`sections`]: [`Config`] and its parts.
//! * [`units`]: sizes, durations and money, read with their unit and printed the same way.
//! * [`values`]: roles, backends, endpoints.
//! * [`layers`]: [`Loader`], which puts the layers on top of each other.
//! * [`error`]: what is wrong, where, and what to write instead.
//!
//! ```
//! use zkaggle_config::Loader;
//!
//! let mut loader = Loader::new()?;
//! loader.text("[chain]\nmax_fee = \"30 gwei\"\n", "node.toml".as_ref())?;
//! loader.set("chain.rpc_url", "http://127.0.0.1:8545", "--rpc-url")?;
//! let config = loader.finish()?;
//! assert_eq!(config.chain.max_fee.to_string(), "30 gwei");
//!
//! let wrong = Loader::new()?.text("[chain]\nmax_fees = \"30 gwei\"\n", "node.toml".as_ref()).unwrap_err();
//! assert_eq!(wrong.to_string(), "node.toml:2: there is no setting chain.max_fees; did you mean chain.max_fee?");
//! # Ok::<(), zkaggle_config::ConfigError>(())
//! ```

pub mod error;
mod keys;
pub mod layers;
mod rules;
pub mod sections;
mod setting;
pub mod units;
pub mod values;

pub use error::{ConfigError, Place};
pub use keys::KEYS;
pub use layers::{DEFAULTS, Loader};
pub use sections::Config;
pub use values::{Backend, Dht, Role, RpcUrl, TokenLimit};

/// A config file for a new node: the defaults with all their comments, and this role.
///
/// An unknown role is written as it is; loading the file then says what a role can be.
pub fn template(role: &str) -> String {
    let role = role.replace(['"', '\\', '\n'], "");
    DEFAULTS.replacen("role = \"hunter\"", &format!("role = \"{role}\""), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_loads_with_its_role() {
        for role in Role::ALL {
            let mut loader = Loader::new().unwrap();
            loader
                .text(&template(role.as_str()), "/node/config.toml".as_ref())
                .unwrap();
            let config = loader.finish().unwrap();
            assert_eq!(config.node.role, *role);
            assert_eq!(
                config.prover.keys_dir_in("/elsewhere".as_ref()),
                std::path::Path::new("/node/keys")
            );
        }
    }
}
