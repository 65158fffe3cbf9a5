//! Countersign: receives the callbacks of e-signature services, proves who sent them, records every event exactly
//! once and archives each finished PDF.
//!
//! What two functions need lives here. The crate knows nothing of API Gateway or of the command line.

pub mod archive;
pub mod aws;
pub mod delivery;
pub mod event;
pub mod form;
pub mod intake;
mod json;
pub mod ledger;
pub mod outbound;
pub mod provider;
pub mod providers;
pub mod secrets;
pub mod settings;
pub mod signature;
pub mod subject;
pub mod sweep;
pub mod telemetry;
pub mod time;
pub mod token;
pub mod verify;
