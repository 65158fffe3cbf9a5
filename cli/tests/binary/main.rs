//! The binary as people, scripts and supervisors run it: its output, its exit codes, and what is left when it is killed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod commands;
mod demo;
mod deployed;
mod events;
mod forget;
mod legalesign;
mod pdf;
mod process;
#[cfg(unix)]
mod progress;
mod quarantine;
mod secrets;
mod serve;
mod survival;
mod usage;
mod verify;
