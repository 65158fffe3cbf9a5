//! Coming back from copies of the table and the archive, as `docs/restore.md` describes it. A restored table has the items of
//! its copy and an empty stream; the archive may be newer than the table.

use bytes::Bytes;
use countersign::{
    domain::{DeliveryId, Provider, Role, Subject},
    ledger::{ArchiveState, Cursor, Item, Pdf},
    reconcile::Reconcile,
    settings::Settings,
    time,
    verify::verify,
};
use countersign_cli::stack::{BUCKET, TABLE};
use end_to_end::{
    DirectFunctions, Embedded, LocalStack, Stored, from_now,
    harness::{PATH_TOKEN, bucket_of, deliveries},
    legalesign::{document, status},
    pack, quicklysign, sha256,
};
use jiff::SignedDuration;
use serde_json::json;

const GROUP: &str = "ours";
/// Metadata of restored objects.
const MARK: &str = "restored";
const SIGNED_AT: &str = "2018-03-20T07:09:52";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// All objects of both buckets.
async fn objects(from: &impl Stored) -> Vec<(String, Bytes)> {
    let mut objects = Vec::new();
    for key in from.keys().await {
        let body = from.object(&key).await;
        objects.push((key, body));
    }
    objects
}

/// Functions whose table and buckets have these items and objects. The table's stream begins after them.
async fn restored(items: Vec<Item>, objects: Vec<(String, Bytes)>) -> DirectFunctions {
    let functions = DirectFunctions::start().await;
    for item in items {
        let put = functions.aws.dynamodb.put_item().table_name(TABLE).set_item(Some(item.into_attributes()));
        put.send().await.expect("a write");
    }
    for (key, body) in objects {
        let put = functions.aws.s3.put_object().bucket(bucket_of(&key)).key(key).metadata(MARK, "");
        put.body(body.into()).send().await.expect("a write");
    }
    functions.stream_records().await;
    functions
}

/// The restored functions' settings, with the services of the lost stack.
fn settings(functions: &DirectFunctions, lost: &LocalStack) -> Settings {
    let proof = lost.secrets.of(Provider::Legalesign).0.to_string();
    Embedded::settings(functions, &lost.endpoints.simulator, &[("LEGALESIGN_PROOF", &proof)]).expect("settings")
}

/// The archived document itself: the simulated Legalesign renders an audit log anew for each download.
fn paper(pdfs: &[Pdf]) -> &Pdf {
    pdfs.iter().find(|pdf| pdf.role == Role::Document).expect("a document")
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_functions_show_and_verify_what_the_lost_stack_had_and_publish_nothing_again() {
    let lost = LocalStack::start().await;
    // Too large for the delivery's item, so that its body is in the archive.
    let signers = (0..100).map(|n| status("signer", &format!("s{n}"), 30, SIGNED_AT));
    let entries: Vec<_> = signers.chain([status("document", "kept", 30, SIGNED_AT)]).collect();
    let delivery: DeliveryId = lost.post_batch(&entries).await.delivery().parse().expect("an id");
    let before = lost.wait_for_archive(&document("kept"), &[ArchiveState::Archived]).await;
    assert_eq!(before.pdfs.len(), 2);

    let functions = restored(lost.items().await, objects(&*lost).await).await;
    lost.stop().await;
    let after = functions.timeline(&document("kept")).await;
    assert_eq!(json!(after), json!(before));
    for pdf in &after.pdfs {
        assert_eq!(sha256(&functions.object(&pdf.key).await), pdf.sha256);
    }
    let archived = functions.ledger().jobs(ArchiveState::Archived, None, 10).await.expect("the ledger");
    assert_eq!(archived.iter().map(|job| &job.subject).collect::<Vec<_>>(), [&document("kept")]);
    assert!(functions.keys().await.iter().any(|key| key.contains(&delivery.to_string())), "a body in the archive");
    let verified = verify(&functions.ledger(), &deliveries::services(), &delivery).await.expect("a valid signature");
    assert_eq!(verified.delivery, delivery);
    assert!(functions.publish().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_than_the_tables_copy_is_found_and_its_pdf_is_not_stored_twice() {
    let lost = LocalStack::start_with_groups(&[GROUP]).await;
    let cursor = Cursor { since: Some(time::now()), ..Cursor::default() };
    lost.ledger().set_cursor(&format!("legalesign#{GROUP}"), &cursor).await.expect("the ledger");
    let copy = lost.items().await;
    lost.simulator.document("later").group(GROUP).modified(from_now(SignedDuration::from_mins(1)));
    lost.post_batch(&[status("document", "later", 30, SIGNED_AT)]).await;
    let before = lost.wait_for_archive(&document("later"), &[ArchiveState::Archived]).await;

    let functions = restored(copy, objects(&*lost).await).await;
    assert!(functions.ledger().timeline(&document("later")).await.expect("the ledger").is_none());
    let settings = settings(&functions, &lost);
    let found = Reconcile::new(&settings, &functions.aws).run(from_now(HOUR)).await.expect("a pass");
    assert!(found[Provider::Legalesign].missed > 0, "{found:?}");
    let worker = final_document::Function::start(Ok(settings), &functions.aws);
    functions.archive_with(&worker, &document("later")).await;
    let after = functions.timeline(&document("later")).await;
    assert_eq!(after.document.archive.as_ref().map(|archive| archive.state), Some(ArchiveState::Archived), "{after:?}");
    assert_eq!(paper(&after.pdfs).key, paper(&before.pdfs).key);
    let head = functions.aws.s3.head_object().bucket(BUCKET).key(&paper(&before.pdfs).key).send().await;
    let metadata = head.expect("an object").metadata.unwrap_or_default();
    assert!(metadata.contains_key(MARK), "the restored object was replaced: {metadata:?}");
}

/// Whether the stream has a record, since the last call, of a job that is due.
async fn submits(functions: &DirectFunctions, job: &Subject) -> bool {
    let images = functions.stream_records().await.into_iter().map(|record| format!("{:?}", record.change.new_image));
    let is_due = |image: &String| image.contains("\"ARCHIVE\"") && image.contains("\"due\"");
    images.filter(is_due).any(|image| image.contains(&job.partition()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_due_when_the_table_was_copied_is_submitted_by_the_sweep() {
    let lost = DirectFunctions::start().await;
    let request = quicklysign::request(PATH_TOKEN, quicklysign::body("final_document_generated", "due"));
    assert_eq!(lost.quicklysign_callback().await.handle(request).await.status(), 200);
    assert!(submits(&lost, &pack("due")).await);

    let functions = restored(lost.items().await, objects(&*lost).await).await;
    assert_eq!(functions.sweep(from_now(HOUR)).await.made_due, 1);
    assert!(submits(&functions, &pack("due")).await);
    functions.archive(&pack("due")).await;
    assert!(!functions.timeline(&pack("due")).await.pdfs.is_empty());
}
