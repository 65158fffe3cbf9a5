//! The binary as a person, a script or a supervisor runs it: what it prints, how it ends, and what is left when it is
//! killed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod commands;
mod demo;
mod deployed;
mod forget;
mod legalesign;
mod pdf;
mod process;
#[cfg(unix)]
mod progress;
mod refused;
mod secrets;
mod serve;
mod survival;
mod usage;
mod verify;
