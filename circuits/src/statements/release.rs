//! Release statement.
