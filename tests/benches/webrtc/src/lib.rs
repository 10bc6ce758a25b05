//! Measures peer connections of two engines side by side: ours, and libdatachannel as Godot's
//! official plugin uses it. Both run the same scenarios behind one trait, as two processes on one
//! machine, in rounds that take turns.
//!
//! Reading order:
//! - [`engine`]: what an engine has to do, and [`native`] and [`libdatachannel`], which do it.
//! - [`end`]: the process at one end of a connection, told what to do over stdin, and the
//!   [`scenarios`] it plays.
//! - [`pair`]: two such processes, and [`link`]: the bad network between them.
//! - [`rows`] and [`losses`]: what is measured, and [`table`]: how it is written down.

#![allow(missing_docs, reason = "a program, cut in two for the sake of its binaries")]

pub mod clock;
pub mod end;
pub mod engine;
pub mod libdatachannel;
pub mod link;
pub mod losses;
pub mod native;
pub mod pair;
pub mod rows;
pub mod scenarios;
pub mod signal;
pub mod table;
