//! SignEasy: requests to sign (envelopes), and documents that somebody signed alone.
//!
//! A callback carries a token of the customer's choice in its body, and that is all its proof: no signature, no id, no
//! attempt counter. So the token's value goes no further than the proof (`proof`), what is said is identified by the
//! whole of its content (`tree`), and the API is asked for the facts (`api`). A request and its signed file may have
//! two ids (`join`).

pub mod api;
pub mod callback;
pub(super) mod join;
mod payload;
pub mod proof;
mod tree;

#[cfg(test)]
mod tests;
