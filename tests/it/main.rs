//! Everything that crosses rooms, in one binary.
//!
//! - `transcripts`: strings in, strings out, one folder of cases for each protocol.
//! - `simulation`: random commands and cuts in virtual time, invariants after each step.
//! - `interop`: other WebRTC stacks.
//! - `meetings`: two clients of each protocol make a data channel.
//! - `fuzz`: garbage through every public decoder.
//! - `watched`: a machine held to what it tells of its lobbies, for transcripts and simulations.
//! - `sockets`: what only real sockets show, on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod document;
mod fuzz;
mod interop;
mod meetings;
mod simulation;
mod sockets;
mod transcripts;
mod watched;
