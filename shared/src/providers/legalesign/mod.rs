//! Legalesign: documents, their signers, and callbacks of three sorts.
//!
//! - The batch ([`batch`]): every six minutes, everything that changed, signed.
//! - Upon an event ([`realtime`]): a form about one document, which doesn't say what happened; signed or not.
//! - Today's webhook ([`realtime`]): JSON about one document or recipient, with signatures of an unknown sort.
//!
//! One certificate signs for every customer of Legalesign, and a batch names none, so only the path token says that a
//! delivery is meant for this stack; the API ([`api`]) says which documents are ours.

pub mod api;
pub mod batch;
pub mod proof;
pub mod realtime;
mod resource;
mod status;
mod time;
