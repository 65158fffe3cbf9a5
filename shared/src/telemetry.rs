//! Logs: one JSON line for each thing that happened.

use tracing_subscriber::EnvFilter;

/// The runtime's own targets print whole events at TRACE, tokens and all, so they never go below INFO.
const NEVER_FINER_THAN_INFO: [&str; 3] = ["lambda_runtime=info", "lambda_http=info", "lambda_runtime_api_client=info"];

/// Writes logs to standard output, from the level of `AWS_LAMBDA_LOG_LEVEL` on (INFO unless it is set).
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(tracing::Level::INFO);
    // Other crates' debug output can hold requests with credentials: only ours follows the setting.
    let directives = format!("info,countersign={level},{}", NEVER_FINER_THAN_INFO.join(","));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(directives))
        .init();
}
