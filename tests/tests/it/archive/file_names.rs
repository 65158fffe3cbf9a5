//! The manifest has a readable file name for each PDF, and `forget` erases it.

use countersign::{
    domain::{FileName, Provider, SubjectKind},
    forget::forget,
    ledger::ArchiveState,
    time,
};
use end_to_end::{LocalStack, Stored, harness::deliveries, subject};

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_are_named_as_their_document_is_until_it_is_forgotten() {
    let stack = LocalStack::start().await;
    stack.simulator.document("lease").name("Lease: Zoë / Quinn.pdf");
    stack.simulator.request("4711").name("NDA\u{202e}fdp.exe");
    for (provider, kind, event, id, expected) in [
        (
            Provider::Legalesign,
            SubjectKind::Document,
            "signed",
            "lease",
            ["Lease_ Zoë _ Quinn - audit log.pdf", "Lease_ Zoë _ Quinn.pdf"],
        ),
        (
            Provider::Signeasy,
            SubjectKind::Document,
            "rs.completed",
            "4711",
            ["NDA_fdp.exe - certificate.pdf", "NDA_fdp.exe.pdf"],
        ),
    ] {
        stack.trigger(provider, event, id).await;
        let subject = subject(provider, kind, id);
        let timeline = stack.wait_for_archive(&subject, &[ArchiveState::Archived]).await;
        let names = timeline.pdfs.iter().map(|pdf| pdf.file_name.as_ref().map_or("", FileName::as_str));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        assert_eq!(names, expected);
        forget(&stack.ledger(), &deliveries::services(), provider, &subject.id, time::now()).await.expect("forgotten");
        let timeline = stack.timeline(&subject).await;
        assert!(timeline.pdfs.iter().all(|pdf| pdf.file_name.is_none()), "{:?}", timeline.pdfs);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_document_of_a_pack_has_its_own_name() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("pack").documents(2);
    stack.trigger(Provider::Quicklysign, "final_document_generated", "pack").await;
    let timeline = stack.wait_for_archive(&end_to_end::pack("pack"), &[ArchiveState::Archived]).await;
    let names: std::collections::BTreeSet<&str> =
        timeline.pdfs.iter().map(|pdf| pdf.file_name.as_ref().expect("a name").as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.ends_with(".pdf") && name.len() > 8), "{names:?}");
}
