//! Logs and metrics: one JSON line per event.
//!
//! Lines use the keys of Powertools for AWS Lambda. A line with fields `metric.<Name>` is also an embedded metric
//! (EMF): CloudWatch extracts the metric from the same line that explains it, so a function needs neither an API call
//! nor a permission to emit it.
//!
//! Lines contain stable codes, ids, counts, sizes and hosts, and never a secret, a token, an e-mail address, a body, a
//! path or a query.

mod lines;
mod metrics;
#[cfg(test)]
mod tests;

use std::io::Write;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

pub use lines::{Function, JsonLines};
pub use metrics::{METRICS, Metric, NAMESPACE, SERVICE, Unit};

/// The variable with the service name. It is the stack's name, so that two stacks in one account have separate metrics.
pub const SERVICE_VARIABLE: &str = "POWERTOOLS_SERVICE_NAME";

/// The version of this code, which each line has, and which the template's output `Version` repeats.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of this code, which each line has if the build named it in `COUNTERSIGN_COMMIT`.
const COMMIT: Option<&str> = option_env!("COUNTERSIGN_COMMIT");

/// Installs the logger: JSON lines on standard output, from the level `AWS_LAMBDA_LOG_LEVEL` up (default INFO; release
/// builds contain nothing below INFO).
///
/// # Panics
/// If a global `tracing` subscriber is already installed.
pub fn init() {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    // Only our own crates follow the setting. Other crates may log whole requests with credentials at DEBUG, and the
    // runtime logs whole events at TRACE. The runtime's INFO span is needed: it carries the invocation's request id.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("countersign", level)
        .with_target("lambda_runtime", LevelFilter::INFO);
    let service = variable(SERVICE_VARIABLE).unwrap_or_else(|| "countersign".to_owned());
    let name = variable("AWS_LAMBDA_FUNCTION_NAME");
    let function =
        name.map(|name| Function { name, version: variable("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_default() });
    let lines = JsonLines::new(service, function, |line| {
        // A failed write can't be reported anywhere.
        drop(std::io::stdout().lock().write_all(line.as_bytes()));
    });
    tracing_subscriber::registry().with(lines).with(targets).init();
}
