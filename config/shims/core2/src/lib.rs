//! Stands in for `core2` 0.4, which is yanked in every version.
//!
//! Its two dependants here only use it with the standard library present, where `core2` re-exports
//! exactly these items.

pub mod error {
    pub use std::error::Error;
}

pub mod io {
    pub use std::io::*;
}
