//! Packs of several documents, and documents that the service makes anew.

use bytes::Bytes;
use countersign::{ledger::ArchiveState, subject::Subject};
use countersign_cli::simulator::{Download, Part};
use end_to_end::bench::Bench;

use super::{assert_archived, assert_waits, downloads, finished, later, order};

/// What is archived: each document's id, hash, version marker and whether it is current.
async fn pdfs(bench: &Bench, subject: &Subject) -> Vec<(String, String, Option<String>, bool)> {
    let pdfs = bench.timeline(subject).await.pdfs.into_iter();
    let mut pdfs: Vec<_> = pdfs.map(|pdf| (pdf.document, pdf.sha256, pdf.version, pdf.current)).collect();
    pdfs.sort();
    pdfs
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_document_does_not_keep_the_others_out_and_they_are_fetched_once() {
    let bench = Bench::start().await;
    let script = bench.simulator.pack("one-bad");
    script.documents(3).download_of(Part::Document(0), Download::Html);
    let subject = finished(&bench, "one-bad").await;
    bench.work(&subject).await;
    assert_waits(&bench, &subject, "not_a_pdf", 1).await;
    let good = pdfs(&bench, &subject).await;
    assert_eq!((good.len(), bench.keys().await.len(), downloads(&bench.simulator)), (2, 2, 3));
    assert!(good.iter().all(|(_, _, _, current)| *current), "{good:?}");

    bench.simulator.clear_requests();
    later(&bench, &subject).await;
    assert_waits(&bench, &subject, "not_a_pdf", 2).await;
    assert_eq!(downloads(&bench.simulator), 1, "only the bad one");

    bench.simulator.clear_requests();
    script.download_of(Part::Document(0), Download::Pdf);
    later(&bench, &subject).await;
    assert_archived(&bench, &subject, 3).await;
    assert_eq!(downloads(&bench.simulator), 1);
    let all = pdfs(&bench, &subject).await;
    assert!(good.iter().all(|pdf| all.contains(pdf)), "{good:?} {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_made_anew_is_archived_beside_the_old_one() {
    let bench = Bench::start().await;
    let script = bench.simulator.pack("anew");
    script.documents(3);
    let subject = finished(&bench, "anew").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 3).await;
    let first = pdfs(&bench, &subject).await;
    let objects = bench.keys().await;

    // The renderings differ every time, and that alone is no new version.
    bench.simulator.clear_requests();
    finished(&bench, "anew").await;
    bench.work(&subject).await;
    assert_eq!((pdfs(&bench, &subject).await, downloads(&bench.simulator)), (first.clone(), 0));

    script.regenerate_document(1);
    finished(&bench, "anew").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 3).await;
    let second = pdfs(&bench, &subject).await;
    assert_eq!((second.len(), downloads(&bench.simulator)), (4, 1));
    let changed: Vec<_> = second.iter().filter(|pdf| !first.contains(pdf)).collect();
    let [one, other] = changed.as_slice() else { panic!("{changed:?}") };
    assert_eq!(one.0, other.0, "of one document,");
    assert!(one.3 != other.3, "one is current and the other isn't: {changed:?}");
    let old = if one.3 { other } else { one };
    assert!(first.iter().any(|pdf| (&pdf.0, &pdf.1) == (&old.0, &old.1)), "the old one isn't current");

    script.regenerate();
    finished(&bench, "anew").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 3).await;
    assert_eq!(pdfs(&bench, &subject).await.len(), 7);
    let now = bench.keys().await;
    assert!(objects.iter().all(|key| now.contains(key)), "nothing that was archived goes away");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_one_object_whatever_their_version() {
    let bench = Bench::start().await;
    let whole = Bytes::from_static(b"%PDF-1.7\n1 0 obj\nendobj\nstartxref\n9\n%%EOF\n");
    let other = Bytes::from_static(b"%PDF-1.7\n2 0 obj\nendobj\nstartxref\n9\n%%EOF\n");
    let script = bench.simulator.pack("same");
    script.documents(1).download(Download::Bytes(whole.clone()));
    let subject = finished(&bench, "same").await;
    bench.work(&subject).await;
    let first = pdfs(&bench, &subject).await;
    for round in 1..3 {
        script.regenerate();
        finished(&bench, "same").await;
        bench.work(&subject).await;
        assert_eq!((downloads(&bench.simulator), bench.keys().await.len()), (round + 1, 1));
        assert_eq!(pdfs(&bench, &subject).await, first);
    }
    // There and back again: what is current is the first one, and both stay.
    for bytes in [other, whole] {
        script.regenerate().download(Download::Bytes(bytes.clone()));
        finished(&bench, "same").await;
        bench.work(&subject).await;
        let timeline = bench.timeline(&subject).await;
        let current: Vec<_> = timeline.pdfs.iter().filter(|pdf| pdf.current).collect();
        assert_eq!(current.iter().map(|pdf| &pdf.sha256).collect::<Vec<_>>(), [&end_to_end::sha256(&bytes)]);
        assert_eq!((timeline.pdfs.len(), bench.keys().await.len()), (2, 2));
    }
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_of_a_large_pack_is_archived_under_its_own_name() {
    let bench = Bench::start().await;
    bench.simulator.pack("large").documents(12);
    let subject = finished(&bench, "large").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 12).await;
    let mut documents: Vec<String> = pdfs(&bench, &subject).await.into_iter().map(|(document, ..)| document).collect();
    documents.dedup();
    assert_eq!(documents.len(), 12);
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
}
