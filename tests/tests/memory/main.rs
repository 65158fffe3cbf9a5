//! The peak memory of one piece of work, each in a process of its own: this test's binary, started again with the test's
//! name.
//!
//! As in a deployed function, the runtime of that process has one thread, and settings and AWS clients come from the
//! environment. The embedded DynamoDB and S3 and the simulated services run in the test's process, in place of AWS and the
//! services.
#![cfg(target_os = "linux")]

mod archive;
mod callbacks;

use std::{process::Output, time::Duration};

use countersign_cli::stack::REGION;
use end_to_end::Embedded;
use tokio::process::Command;

/// Peak memory of this process in KiB, including its code (`VmHWM`).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let (_, peak) = status.split_once("VmHWM:").expect("the peak memory");
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

/// Runs an async function as a Lambda function would.
fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Runs a test of this binary in a process that has the environment of a function, and `variable` with `value`. Returns
/// the number that it prints after `PEAK:`.
async fn measured(embedded: &Embedded, test: &str, variable: &str, value: &str) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(embedded.environment(&embedded.simulator_url, &[]))
        .env(variable, value)
        .env("TMPDIR", embedded.folder())
        .env("AWS_ENDPOINT_URL_DYNAMODB", &embedded.dynamodb_url)
        .env("AWS_ENDPOINT_URL_S3", &embedded.s3_url)
        .env("AWS_S3_FORCE_PATH_STYLE", "true")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &embedded.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &embedded.key.secret)
        .kill_on_drop(true)
        .output();
    let output: Output = tokio::time::timeout(Duration::from_secs(280), output).await.expect("in time").unwrap();
    let (text, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{problems}");
    let (_, peak) = text.split_once("PEAK:").expect("the peak memory");
    peak.split_whitespace().next().unwrap().parse().unwrap()
}
