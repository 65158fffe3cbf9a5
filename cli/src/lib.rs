//! The command line and the local stack of Countersign, as a library so that tests run the very same stack.

mod advice;
pub mod commands;
pub mod console;
pub mod deployment;
pub mod simulator;
pub mod stack;
