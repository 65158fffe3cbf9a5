//! The worker archives a PDF of 200 MB within 64 MiB of memory.

use countersign::{
    aws::Aws,
    domain::{Provider, Route},
    ledger::ArchiveState,
};
use countersign_cli::stack::BUCKET;
use end_to_end::{
    Embedded, Stored,
    harness::{
        requests::{failed_messages, gateway_request, queue_message},
        throw_away_secrets,
    },
    pack, quicklysign,
};

use crate::{measured, on_one_thread, peak_kib};

const SIZE: u64 = 200 * 1024 * 1024;
const LIMIT_KIB: u64 = 64 * 1024;

/// Set in the worker's process: the key of the pack that it is to archive.
const WORKER: &str = "COUNTERSIGN_TEST_WORKER";

const TEST: &str = "archive::a_pdf_of_200_mb_is_archived_within_64_mib_of_memory";

#[test]
fn a_pdf_of_200_mb_is_archived_within_64_mib_of_memory() {
    match std::env::var(WORKER) {
        Ok(partition) => on_one_thread(work(&partition)),
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(watch_the_worker()),
    }
}

/// The worker: runs a pack's archive job and prints the peak memory of its process.
async fn work(partition: &str) {
    let function = final_document::Function::start(countersign::providers::settings_from_env(), &Aws::from_env().await);
    let response = function.handle(queue_message(&partition.parse().unwrap()), final_document::TIME_LIMIT).await;
    assert_eq!(failed_messages(&response), [""; 0]);
    println!("PEAK: {}", peak_kib());
}

async fn watch_the_worker() {
    let embedded = Embedded::start(throw_away_secrets()).await;

    // A callback makes the job due. No pipe starts it.
    embedded.simulator.pack("large").documents(1).size(SIZE);
    let settings = embedded.settings(&embedded.simulator_url, &[]);
    let callback = quicklysign_callback::Function::start(settings, &embedded.aws).await;
    let token = embedded.secrets.url_token(Provider::Quicklysign).unwrap();
    let body = quicklysign::body("final_document_generated", "large");
    let request = gateway_request(Route::Quicklysign, &token, None, &[], body.as_bytes());
    assert_eq!(callback.handle(request).await.status(), 200);

    let peak = measured(&embedded, TEST, WORKER, &pack("large").partition()).await;

    let timeline = embedded.timeline(&pack("large")).await;
    let archive = timeline.document.archive.expect("an archive job");
    assert_eq!((archive.state, archive.reason), (ArchiveState::Archived, None));
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.size).collect::<Vec<_>>(), [SIZE]);
    let object = embedded.aws.s3.head_object().bucket(BUCKET).key(&timeline.pdfs[0].key).send().await.unwrap();
    assert_eq!(object.content_length(), i64::try_from(SIZE).ok());
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}
