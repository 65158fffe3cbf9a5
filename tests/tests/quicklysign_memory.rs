//! A PDF of 200 MB goes through the worker within 64 MiB of memory.
//!
//! The worker runs in a process of its own, this test's binary run again, as `final-document` is wired: its code, a
//! runtime of one thread, settings and AWS clients from the environment. What is measured is the most memory that this
//! process ever had (`VmHWM`), code included. The embedded DynamoDB and S3 and the simulated QuicklySign are in the test's
//! own process, where AWS and QuicklySign would be.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use countersign::{
    aws::Aws,
    ledger::{ArchiveState, Ledger},
    provider::Provider,
    settings::Settings,
};
use countersign_cli::{
    simulator::{self, Simulator},
    stack::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Secrets, Storage, TABLE},
};
use end_to_end::pack;
use lambda_http::{Body, Request};
use serde_json::json;
use tokio::{net::TcpListener, process::Command, sync::watch, task::JoinSet};

const SIZE: u64 = 200 * 1024 * 1024;
const LIMIT_KIB: u64 = 64 * 1024;

/// Says in which role the binary was started.
const WORKER: &str = "COUNTERSIGN_TEST_WORKER";

const TEST: &str = "a_pdf_of_200_mb_is_archived_within_64_mib_of_memory";

#[test]
fn a_pdf_of_200_mb_is_archived_within_64_mib_of_memory() {
    match std::env::var(WORKER) {
        // One thread, as in the function's `main`.
        Ok(partition) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(partition))
        }
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(watch_the_worker()),
    }
}

/// The worker: does the order of the pack that the environment names, and prints its memory.
async fn work(partition: String) {
    let function = final_document::Function::start(Settings::from_env(), &Aws::from_env().await);
    let mut message = SqsMessage::default();
    message.message_id = Some("1".to_owned());
    message.body = Some(json!({"pk": partition}).to_string());
    let mut event = SqsEvent::default();
    event.records = vec![message];
    assert!(function.handle(event).await.batch_item_failures.is_empty());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

async fn watch_the_worker() {
    let folder = tempfile::TempDir::new().unwrap();
    let (stop, stopping) = watch::channel(false);
    let mut parts = JoinSet::new();
    let storage = Storage::open(folder.path(), &mut parts, &stopping).await.unwrap();
    let secrets = Secrets::throw_away().unwrap();
    let (proof, api) = secrets.of(Provider::Quicklysign);
    let credentials = serde_json::from_value(json!({"quicklysign": api})).unwrap();
    let simulated = Simulator::new(credentials);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator_url = format!("http://{}/quicklysign", listener.local_addr().unwrap());
    let mut until = stopping.clone();
    parts.spawn({
        let simulated = simulated.clone();
        let stopped = async move { drop(until.wait_for(|stop| *stop).await) };
        async move { simulator::serve(listener, simulated, stopped).await.unwrap() }
    });
    let environment = [
        ("TABLE_NAME", TABLE.to_owned()),
        ("ARCHIVE_BUCKET", BUCKET.to_owned()),
        ("ALLOW_INSECURE_DOWNLOADS", "true".to_owned()),
        ("QUICKLYSIGN_API_URL", simulator_url),
        ("QUICKLYSIGN_API", api.to_string()),
        ("QUICKLYSIGN_PROOF", proof.to_string()),
    ];

    // A callback makes the order due; no pipe hands it over here.
    simulated.pack("large").documents(1).size(SIZE);
    let value = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let settings = Settings::read(value);
    let callback = quicklysign_callback::Function::start(settings, &storage.aws).await;
    let body = json!({"entity_key": "large", "callback_event": "final_document_generated"}).to_string();
    let url = format!("/callbacks/quicklysign/{}", secrets.url_token(Provider::Quicklysign).unwrap());
    let request: Request = http::Request::post(url).body(Body::from(body)).unwrap();
    assert_eq!(callback.handle(request).await.status(), 200);

    let started = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(environment)
        .env(WORKER, pack("large").partition())
        .env("TMPDIR", folder.path())
        .env("AWS_ENDPOINT_URL_DYNAMODB", &storage.dynamodb)
        .env("AWS_ENDPOINT_URL_S3", &storage.s3)
        .env("AWS_S3_FORCE_PATH_STYLE", "true")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(280), output).await.expect("an end").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let timeline = Ledger::new(&storage.aws, TABLE, BUCKET).timeline(&pack("large")).await.unwrap().unwrap();
    let archive = timeline.document.archive.expect("an order");
    assert_eq!(
        (archive.state, archive.reason),
        (ArchiveState::Archived, None),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.size).collect::<Vec<_>>(), [SIZE]);
    let object = storage.aws.s3.head_object().bucket(BUCKET).key(&timeline.pdfs[0].key).send().await.unwrap();
    assert_eq!(object.content_length(), i64::try_from(SIZE).ok());

    let (_, peak) = text.split_once("VmHWM:").expect("the worker's memory");
    let peak: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    println!("{peak} KiB at most, {:?}", started.elapsed());
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    stop.send_replace(true);
    while parts.join_next().await.is_some() {}
}
