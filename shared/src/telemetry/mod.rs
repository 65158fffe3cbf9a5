//! Logs and metrics: one JSON line for each thing that happened.
//!
//! Lines have the keys that users of Powertools for AWS Lambda know. A line that counts or measures something says so
//! with fields `metric.<Name>`, and is an embedded metric (EMF) too: CloudWatch makes the metric of the very line that
//! explains it, and no function waits for, or needs permission for, a call.
//!
//! What is written: stable codes, ids, counts, sizes, hosts. Never a secret, a token, an e-mail address, a body, a path
//! or a query.

mod lines;
mod metrics;
#[cfg(test)]
mod tests;

use std::io::Write;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

pub use lines::JsonLines;
pub use metrics::{METRICS, Metric, NAMESPACE, SERVICE, Unit};

/// The variable with the name of the service: the stack, so that two in one account have metrics of their own.
pub const SERVICE_VARIABLE: &str = "POWERTOOLS_SERVICE_NAME";

/// Writes logs to standard output, from the level of `AWS_LAMBDA_LOG_LEVEL` on (INFO unless it is set; a release has nothing
/// below it).
pub fn init() {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    // Only ours follow the setting. At DEBUG other crates may log whole requests, with credentials, and the runtime logs
    // whole events at TRACE; its span at INFO is what tells an invocation's id.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("countersign", level)
        .with_target("lambda_runtime", LevelFilter::INFO);
    let service = variable(SERVICE_VARIABLE).unwrap_or_else(|| "countersign".to_owned());
    let lines = JsonLines::new(service, variable("AWS_LAMBDA_FUNCTION_NAME"), |line| {
        // There is nobody to tell that nothing can be told.
        drop(std::io::stdout().lock().write_all(line.as_bytes()));
    });
    tracing_subscriber::registry().with(lines).with(targets).init();
}
