//! SignEasy: its callbacks and archiving.

mod archive;
mod callbacks;
