//! QuicklySign: document packs, and webhooks on them.
//!
//! A callback carries neither a signature nor a time nor an id: it is a hint that a pack changed, believed for its
//! secret path, and the API is asked for the facts. A webhook is on one pack, so each new pack needs one of its own:
//! [`subscribe`].

pub mod api;
pub mod callback;
mod callback_url;
mod masked;
pub mod options;
pub mod subscribe;
pub mod webhooks;

pub use callback_url::{CallbackUrl, InvalidCallbackUrl};
