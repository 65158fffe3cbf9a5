//! QuicklySign: document packs, and webhooks on them.
//!
//! A callback carries neither a signature nor a time nor an id: it is a hint that a pack changed, believed for its
//! secret path, and the API is asked for the facts.

pub mod api;
pub mod callback;
