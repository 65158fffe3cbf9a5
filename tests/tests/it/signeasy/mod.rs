//! SignEasy: its callbacks and archiving.

mod archive;
pub mod callbacks;
mod joins;
