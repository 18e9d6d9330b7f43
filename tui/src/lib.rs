//! What ZKaggle draws in a terminal.
//!
//! | module | draws |
//! |---|---|
//! | [`timeline`] | the steps of a running story: what finished, with its cost, and what is under way |
//!
//! Nothing here touches a network, a disk or a clock other than the one a caller passes in: a test
//! builds a [`timeline::Timeline`] by hand and reads the screen as text.

pub mod timeline;
