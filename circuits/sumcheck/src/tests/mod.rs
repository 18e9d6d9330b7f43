//! The argument as a whole.

mod honest;
mod reference;
