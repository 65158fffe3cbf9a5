//! Packs of several documents, and documents that the service regenerates.

use bytes::Bytes;
use countersign::{domain::Subject, ledger::ArchiveState};
use countersign_cli::simulator::{Download, Part};
use end_to_end::{DirectFunctions, Stored, sha256};

use super::{archive_later, assert_archived, assert_waiting, downloads, job_of, record_completion};

/// The archived PDFs: document id, hash, version marker, and whether it is current.
async fn pdfs(functions: &DirectFunctions, subject: &Subject) -> Vec<(String, String, Option<String>, bool)> {
    let pdfs = functions.timeline(subject).await.pdfs.into_iter();
    let mut pdfs: Vec<_> = pdfs.map(|pdf| (pdf.document, pdf.sha256, pdf.version, pdf.current)).collect();
    pdfs.sort();
    pdfs
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_document_does_not_block_the_others_which_are_downloaded_once() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("one-bad");
    script.documents(3).download_of(Part::Document(0), Download::Html);
    let subject = record_completion(&functions, "one-bad").await;
    functions.archive(&subject).await;
    assert_waiting(&functions, &subject, "not_a_pdf", 1).await;
    let good = pdfs(&functions, &subject).await;
    assert_eq!((good.len(), functions.keys().await.len(), downloads(&functions.simulator)), (2, 2, 3));
    assert!(good.iter().all(|(_, _, _, current)| *current), "{good:?}");

    functions.simulator.clear_requests();
    archive_later(&functions, &subject).await;
    assert_waiting(&functions, &subject, "not_a_pdf", 2).await;
    assert_eq!(downloads(&functions.simulator), 1, "only the bad document");

    functions.simulator.clear_requests();
    script.download_of(Part::Document(0), Download::Pdf);
    archive_later(&functions, &subject).await;
    assert_archived(&functions, &subject, 3).await;
    assert_eq!(downloads(&functions.simulator), 1);
    let all = pdfs(&functions, &subject).await;
    assert!(good.iter().all(|pdf| all.contains(pdf)), "{good:?} {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regenerated_document_is_archived_beside_the_old_one() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("regenerated");
    script.documents(3);
    let subject = record_completion(&functions, "regenerated").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 3).await;
    let first = pdfs(&functions, &subject).await;
    let objects = functions.keys().await;

    // Each rendering differs, which alone doesn't make a new version.
    functions.simulator.clear_requests();
    record_completion(&functions, "regenerated").await;
    functions.archive(&subject).await;
    assert_eq!((pdfs(&functions, &subject).await, downloads(&functions.simulator)), (first.clone(), 0));

    script.regenerate_document(1);
    record_completion(&functions, "regenerated").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 3).await;
    let second = pdfs(&functions, &subject).await;
    assert_eq!((second.len(), downloads(&functions.simulator)), (4, 1));
    let changed: Vec<_> = second.iter().filter(|pdf| !first.contains(pdf)).collect();
    let [one, other] = changed.as_slice() else { panic!("{changed:?}") };
    assert_eq!(one.0, other.0, "two versions of one document");
    assert!(one.3 != other.3, "one of them is current: {changed:?}");
    let old = if one.3 { other } else { one };
    assert!(first.iter().any(|pdf| (&pdf.0, &pdf.1) == (&old.0, &old.1)), "the old version isn't current");

    script.regenerate();
    record_completion(&functions, "regenerated").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 3).await;
    assert_eq!(pdfs(&functions, &subject).await.len(), 7);
    let now = functions.keys().await;
    assert!(objects.iter().all(|key| now.contains(key)), "archived objects stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_left_its_pack_is_not_current() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("smaller");
    for (documents, expected_downloads) in [(3, 3), (2, 0), (3, 0)] {
        functions.simulator.clear_requests();
        script.documents(documents);
        let subject = record_completion(&functions, "smaller").await;
        functions.archive(&subject).await;
        assert_archived(&functions, &subject, documents).await;
        assert_eq!((pdfs(&functions, &subject).await.len(), downloads(&functions.simulator)), (3, expected_downloads));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_that_a_new_version_of_a_zip_lacks_are_not_current() {
    let functions = DirectFunctions::start().await;
    let two = Bytes::from_static(include_bytes!("../../../data/field-cases/zip_same_name_twice.bin"));
    let one = Bytes::from_static(include_bytes!("../../../data/field-cases/newline_stored_zip.bin"));
    let script = functions.simulator.pack("zips");
    script.documents(1);
    for (zip, members) in [(&two, 2), (&one, 1), (&two, 2)] {
        script.regenerate().download(Download::Bytes(zip.clone()));
        let subject = record_completion(&functions, "zips").await;
        functions.archive(&subject).await;
        assert_archived(&functions, &subject, members).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_bytes_are_stored_once_across_versions() {
    let functions = DirectFunctions::start().await;
    let whole = Bytes::from_static(include_bytes!("../../../data/field-cases/plain.bin"));
    let other = Bytes::from_static(include_bytes!("../../../data/field-cases/pad_1024_nul.bin"));
    let script = functions.simulator.pack("same");
    script.documents(1).download(Download::Bytes(whole.clone()));
    let subject = record_completion(&functions, "same").await;
    functions.archive(&subject).await;
    let first = pdfs(&functions, &subject).await;
    for round in 1..3 {
        script.regenerate();
        record_completion(&functions, "same").await;
        functions.archive(&subject).await;
        assert_eq!((downloads(&functions.simulator), functions.keys().await.len()), (round + 1, 1));
        assert_eq!(pdfs(&functions, &subject).await, first);
    }
    // Back to the first version: it is current, and both are kept.
    for bytes in [other, whole] {
        script.regenerate().download(Download::Bytes(bytes.clone()));
        record_completion(&functions, "same").await;
        functions.archive(&subject).await;
        let timeline = functions.timeline(&subject).await;
        let current: Vec<_> = timeline.pdfs.iter().filter(|pdf| pdf.current).collect();
        assert_eq!(current.iter().map(|pdf| &pdf.sha256).collect::<Vec<_>>(), [&sha256(&bytes)]);
        assert_eq!((timeline.pdfs.len(), functions.keys().await.len()), (2, 2));
    }
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_documents_of_a_large_pack_are_archived_under_their_own_ids() {
    let functions = DirectFunctions::start().await;
    functions.simulator.pack("large").documents(12);
    let subject = record_completion(&functions, "large").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 12).await;
    let mut documents: Vec<String> =
        pdfs(&functions, &subject).await.into_iter().map(|(document, ..)| document).collect();
    documents.dedup();
    assert_eq!(documents.len(), 12);
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
}
