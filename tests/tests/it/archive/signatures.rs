//! The signatures within archived PDFs: in the manifest, and after `forget`.

use bytes::Bytes;
use countersign::{
    domain::{PdfVerdict, Provider, SubjectId},
    forget::forget,
    ledger::{ArchiveState, Timeline},
    time,
};
use countersign_cli::simulator::Download;
use end_to_end::{
    LocalStack, Stored,
    harness::deliveries,
    legalesign::{document, status},
    pack, signeasy,
};

const BROKEN: &[u8] = include_bytes!("../../../pdf-signatures/files/bytes-changed.pdf");
const SIGNED: &[u8] = include_bytes!("../../../pdf-signatures/files/two-signatures.pdf");

/// The signatures of each PDF of a timeline, in one line.
fn signatures(timeline: &Timeline) -> Vec<String> {
    let found = timeline.pdfs.iter().map(|pdf| pdf.signatures.as_ref().expect("verified"));
    found
        .map(|found| {
            let each = found.signatures.iter().map(|signature| {
                format!(" {} {}", signature.kind.as_str(), signature.coverage.describe(found.revisions))
            });
            format!("{}{}", found.verdict.as_str(), each.collect::<String>())
        })
        .collect()
}

/// Archives a pack whose PDF has these bytes.
async fn archive(stack: &LocalStack, id: &str, bytes: &'static [u8]) -> Timeline {
    stack.simulator.pack(id).documents(1).download(Download::Bytes(Bytes::from_static(bytes)));
    stack.post_quicklysign("final_document_generated", id).await;
    stack.wait_for_archive(&pack(id), &[ArchiveState::Archived]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signatures_of_every_service_are_in_the_manifest() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_batch(&[status("document", "d", 30, "2018-03-20T07:09:00")]).await;
    stack.post_quicklysign("final_document_generated", "p").await;
    stack.post_signeasy(&signeasy::changed("rs_completed_v2", |body| body["data"]["id"] = 7.into())).await;
    for (subject, expected) in [
        (document("d"), vec!["none", "intact certification the whole file"]),
        (pack("p"), vec!["none"; 3]),
        (signeasy::document("7"), vec!["none", "intact approval the whole file"]),
    ] {
        let timeline = stack.wait_for_archive(&subject, &[ArchiveState::Archived]).await;
        let mut found = signatures(&timeline);
        found.sort_by_key(|line| line != "none");
        assert_eq!(found, expected, "{subject:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_with_a_broken_signature_is_archived() {
    let stack = LocalStack::start().await;
    let timeline = archive(&stack, "broken", BROKEN).await;
    assert_eq!(signatures(&timeline), ["broken approval the whole file"]);
    let pdf = &timeline.pdfs[0];
    assert_eq!(stack.object(&pdf.key).await, BROKEN);
    let found = pdf.signatures.as_ref().unwrap();
    assert_eq!(found.signatures[0].verdict.reason(), Some("digest_mismatch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_erases_the_names_of_those_who_signed() {
    let stack = LocalStack::start().await;
    let timeline = archive(&stack, "signed", SIGNED).await;
    assert_eq!(timeline.pdfs[0].signatures.as_ref().unwrap().verdict, PdfVerdict::Intact);
    let stored = async || stack.items_text().await;
    assert!(stored().await.contains("Ada Example"));
    let id = SubjectId::parse("signed").unwrap();
    forget(&stack.ledger(), &deliveries::services(), Provider::Quicklysign, &id, time::now()).await.unwrap().unwrap();
    let stored = stored().await;
    for name in ["Ada Example", "Bea Example", "Test root", "Signature1"] {
        assert!(!stored.contains(name), "{name}: {stored}");
    }
    assert!(stored.contains(r#"verdict\":\"intact"#), "what was found stays: {stored}");
}
