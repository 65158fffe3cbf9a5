//! The worker archives a PDF of 200 MB within 64 MiB of memory.
//!
//! The worker runs in a process of its own: this test's binary, started again. As in the deployed `final-document`, its
//! runtime has one thread, and settings and AWS clients come from the environment. The peak memory of that process
//! (`VmHWM`) is measured, including its code. The embedded DynamoDB and S3 and the simulated QuicklySign run in the
//! test's own process, in place of AWS and QuicklySign.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use countersign::{
    aws::Aws,
    domain::{Provider, Route},
    ledger::ArchiveState,
};
use countersign_cli::stack::{BUCKET, REGION};
use end_to_end::{
    Embedded, Stored,
    harness::{
        requests::{failed_messages, gateway_request, queue_message},
        throw_away_secrets,
    },
    pack, quicklysign,
};
use tokio::process::Command;

const SIZE: u64 = 200 * 1024 * 1024;
const LIMIT_KIB: u64 = 64 * 1024;

/// Set in the worker's process: the key of the pack that it is to archive.
const WORKER: &str = "COUNTERSIGN_TEST_WORKER";

const TEST: &str = "a_pdf_of_200_mb_is_archived_within_64_mib_of_memory";

#[test]
fn a_pdf_of_200_mb_is_archived_within_64_mib_of_memory() {
    match std::env::var(WORKER) {
        // One thread, as in the function's `main`.
        Ok(partition) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(&partition))
        }
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(watch_the_worker()),
    }
}

/// The worker: runs a pack's archive job and prints the peak memory of its process.
async fn work(partition: &str) {
    let function = final_document::Function::start(countersign::providers::settings_from_env(), &Aws::from_env().await);
    let response = function.handle(queue_message(&partition.parse().unwrap()), final_document::TIME_LIMIT).await;
    assert_eq!(failed_messages(&response), [""; 0]);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

async fn watch_the_worker() {
    let embedded = Embedded::start(throw_away_secrets()).await;
    let environment = embedded.environment(&embedded.simulator_url, &[]);

    // A callback makes the job due. No pipe starts it.
    embedded.simulator.pack("large").documents(1).size(SIZE);
    let settings = embedded.settings(&embedded.simulator_url, &[]);
    let callback = quicklysign_callback::Function::start(settings, &embedded.aws).await;
    let token = embedded.secrets.url_token(Provider::Quicklysign).unwrap();
    let body = quicklysign::body("final_document_generated", "large");
    let request = gateway_request(Route::Quicklysign, &token, None, &[], body.as_bytes());
    assert_eq!(callback.handle(request).await.status(), 200);

    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(environment)
        .env(WORKER, pack("large").partition())
        .env("TMPDIR", embedded.folder())
        .env("AWS_ENDPOINT_URL_DYNAMODB", &embedded.dynamodb_url)
        .env("AWS_ENDPOINT_URL_S3", &embedded.s3_url)
        .env("AWS_S3_FORCE_PATH_STYLE", "true")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &embedded.key.id)
        .env("AWS_SECRET_ACCESS_KEY", &embedded.key.secret)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(280), output).await.expect("in time").unwrap();
    let (text, problems) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{problems}");

    let timeline = embedded.timeline(&pack("large")).await;
    let archive = timeline.document.archive.expect("an archive job");
    assert_eq!((archive.state, archive.reason), (ArchiveState::Archived, None), "{text} {problems}");
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.size).collect::<Vec<_>>(), [SIZE]);
    let object = embedded.aws.s3.head_object().bucket(BUCKET).key(&timeline.pdfs[0].key).send().await.unwrap();
    assert_eq!(object.content_length(), i64::try_from(SIZE).ok());

    let (_, peak) = text.split_once("VmHWM:").expect("the worker's memory");
    let peak: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    println!("peak memory {peak} KiB, {:?}", started.elapsed());
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}
