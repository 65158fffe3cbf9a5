//! The local stack's event bus, in the place of EventBridge.
//!
//! [`endpoint`] accepts events by the protocol of EventBridge's PutEvents, [`Log`] stores them in order in a file of the
//! data folder, and [`forwards`] posts them to URLs. Commands and the console read the file, whether a stack runs or not.

pub mod endpoint;
mod event;
pub mod forwards;
mod log;
mod put_events;

pub use event::{Event, Filter, NewEvent};
pub use log::{BusError, EventPage, Log};

/// The bus's name, as `EventBusName` in a request.
pub const NAME: &str = "countersign";
