//! Countersign: receives the callbacks of e-signature services, proves who sent them, records every event exactly
//! once and archives each finished PDF.
//!
//! What two functions need lives here. The crate knows nothing of API Gateway or of the command line.

pub mod form;
pub mod outbound;
pub mod signature;
