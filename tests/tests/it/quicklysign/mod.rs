//! QuicklySign: its callbacks, archiving, and webhooks.

mod callbacks;
mod downloads;
mod packs;
mod status;
mod subscriptions;
mod webhooks;
