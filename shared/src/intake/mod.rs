//! Intake of one callback, the same for every service: size, path token, the service's own proof, durable acceptance,
//! reading, recording, answer.
//!
//! Errors have three tiers:
//! - The sender's fault (too large, unproven, malformed) is answered 4xx. Nothing of it is believed; a request with a valid
//!   path token is kept in quarantine.
//! - Our own fault for now (DynamoDB, secrets) is answered 503: sending again helps.
//! - Proven but unreadable: sending again would not help. The delivery is kept, acknowledged, and raises an alarm.

mod answer;
mod receiver;
mod record;
mod rejections;
mod subscription;

pub use answer::{Answer, Verdict};
pub use receiver::Receiver;
pub use record::record;
