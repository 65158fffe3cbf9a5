//! The command line and the local stack of Countersign, as a library, so that tests run the same stack as the binary.
//!
//! Dependencies point one way, which `tests/module_graph.rs` checks: `commands` uses everything else; `local_console` joins
//! `console` and `stack`, which don't know each other; both use `bus`, `secrets` and `simulator`. `owner_only` and `programs_only`
//! use nothing.

mod advice;
pub mod bus;
pub mod commands;
pub mod console;
pub mod deployment;
pub mod local_console;
mod owner_only;
pub mod programs_only;
pub mod secrets;
pub mod simulator;
pub mod stack;
