//! Intake of one callback, the same for every service: size, path token, the service's own proof, durable acceptance,
//! reading, recording, answer.
//!
//! Errors have three tiers:
//! - The sender's fault (too large, unproven, malformed) is answered 4xx. Its content is ignored; a request with a valid
//!   path token is kept in quarantine.
//! - Our own fault for now (DynamoDB, secrets) is answered 503: sending again helps.
//! - Proven but unreadable: sending again would not help. The delivery is kept, acknowledged, and raises an alarm.
//!
//! Nothing is acknowledged before the delivery is durable and all of it is recorded, or will be by the sweep. How that is
//! done depends on whether the service sends again ([`Redelivery`](crate::providers::Redelivery)):
//!
//! | redelivery | normally | if anything fails |
//! |---|---|---|
//! | until acknowledged | written once, with its outcome, then recorded | accepted, so that the sweep records it, and answered 503 |
//! | after a failure | the same | accepted or spooled, and answered 200: it isn't known how often it is sent again |
//! | unknown | accepted, recorded, finished | the same; spooled if it can't be accepted |
//!
//! A crash leaves a delivery that was written once to its service, which got no answer; `record` says what is stored then.

mod answer;
mod receiver;
mod record;
mod rejections;
mod subscription;
mod target;

use tokio::time::{Instant, timeout_at};

pub use answer::{ANSWER, Answer, Verdict};
pub use receiver::Receiver;
pub use record::record;
pub use subscription::{OTHER_ENTITY, UNKNOWN_SUBSCRIPTION};

use crate::domain::LedgerError;

/// The result of `work`, or why there is none by `deadline`.
async fn in_time<T>(deadline: Instant, work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, String> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(|problem| problem.to_string()),
        Err(_) => Err("out of time".to_owned()),
    }
}
