//! Files as services really serve them (`tests/data/field-cases`), and odd ways to serve a good one, over the whole
//! local stack.

use bytes::Bytes;
use countersign::{
    domain::Route,
    ledger::{ArchiveState, Pdf, Timeline},
};
use countersign_cli::simulator::Download;
use end_to_end::{
    FaultyFunctions, LocalStack, Stored,
    harness::fault_proxy::{Fault, Upstream},
    pack, quicklysign, sha256,
};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use std::io::Write;

fn case(name: &str) -> Bytes {
    let path = format!("{}/data/field-cases/{name}.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap().into()
}

/// Posts a callback about a pack with one document, whose download is this. Waits until its job isn't due any more.
async fn serve(stack: &LocalStack, id: &str, download: Download) -> Timeline {
    stack.simulator.pack(id).documents(1).download(download);
    stack.post_quicklysign("final_document_generated", id).await;
    let left = ArchiveState::ALL.into_iter().filter(|state| *state != ArchiveState::Due);
    stack.wait_for_archive(&pack(id), &left.collect::<Vec<_>>()).await
}

fn state(timeline: &Timeline) -> (ArchiveState, Option<&str>) {
    let archive = timeline.document.archive.as_ref().expect("an archive job");
    (archive.state, archive.reason.as_deref())
}

/// Checks that exactly these files are archived, byte for byte, and returns what the manifest says.
async fn assert_archived(stack: &LocalStack, timeline: &Timeline, files: &[&Bytes]) -> Vec<Pdf> {
    assert_eq!(state(timeline), (ArchiveState::Archived, None));
    let mut pdfs = timeline.pdfs.clone();
    pdfs.sort_by(|one, other| one.document.cmp(&other.document));
    assert_eq!(pdfs.len(), files.len());
    for (pdf, file) in pdfs.iter().zip(files) {
        assert_eq!((&pdf.sha256, pdf.size), (&sha256(file), file.len() as u64));
        assert!(stack.object(&pdf.key).await == **file, "byte for byte");
        assert!(pdf.current);
    }
    pdfs
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_with_bytes_around_them_are_archived_byte_for_byte() {
    let stack = LocalStack::start().await;
    for (name, trailing) in [("plain", 0), ("lead_bom", 0), ("pad_1024_nul", 1_024), ("html_after_eof", 5_590)] {
        let file = case(name);
        let timeline = serve(&stack, name, Download::Bytes(file.clone())).await;
        let pdfs = assert_archived(&stack, &timeline, &[&file]).await;
        assert_eq!((pdfs[0].trailing_bytes, &pdfs[0].name), (trailing, &None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_pdfs_are_not_archived() {
    let stack = LocalStack::start().await;
    let plain = case("plain");
    let nuls = [&plain[..60], &[0; 80], &plain[140..]].concat();
    let mail = [b"MIME-Version: 1.0\r\nContent-Type: application/pdf\r\n\r\n", &plain[..], b"\r\n--b--\r\n"].concat();
    let cut = [&plain[..], &plain[9..100]].concat();
    for (id, file, reason) in [
        ("cut", case("cut_in_the_middle_of_an_incremental_update"), "truncated_pdf"),
        ("cut-early", cut.into(), "truncated_pdf_update"),
        ("nuls", nuls.into(), "pdf_object_missing"),
        ("mail", mail.into(), "pdf_in_a_message"),
    ] {
        let timeline = serve(&stack, id, Download::Bytes(file)).await;
        assert_eq!(state(&timeline), (ArchiveState::Waiting, Some(reason)), "{id}");
        assert_eq!(timeline.pdfs, [], "{id}");
    }
    assert_eq!(stack.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn zips_are_unpacked_wherever_they_begin_and_end() {
    let stack = LocalStack::start().await;
    let plain = case("plain");
    for name in ["zip64_end_record", "newline_stored_zip"] {
        let timeline = serve(&stack, name, Download::Bytes(case(name))).await;
        let pdfs = assert_archived(&stack, &timeline, &[&plain]).await;
        assert_eq!((pdfs[0].name.as_deref(), pdfs[0].trailing_bytes), (Some("a.pdf"), 0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_of_the_same_name_are_told_apart_by_their_content_in_any_order() {
    let stack = LocalStack::start().await;
    // Both members of the file have the same content. In the other zip they differ.
    let same = case("zip_same_name_twice");
    let different = with_second_member_changed(&same);
    for (id, zip) in [("same", same), ("different", different)] {
        let first = serve(&stack, id, Download::Bytes(zip.clone())).await;
        assert_eq!((state(&first), first.pdfs.len()), ((ArchiveState::Archived, None), 2));
        assert_eq!(first.pdfs[0].sha256 == first.pdfs[1].sha256, id == "same");
        assert!(first.pdfs.iter().all(|pdf| pdf.name.as_deref() == Some("a.pdf") && pdf.current));
        let keys = stack.keys().await;

        // The service makes the zip again, with the members in the other order.
        stack.simulator.pack(id).regenerate().download(Download::Bytes(with_members_swapped(&zip)));
        stack.post_quicklysign("final_document_generated", id).await;
        let second = stack.wait_for_archive_requests(&pack(id), 2).await;
        assert_eq!(second.pdfs, first.pdfs);
        assert_eq!(stack.keys().await, keys);
    }
}

/// The same zip with another page size in its second PDF.
fn with_second_member_changed(zip: &[u8]) -> Bytes {
    let mut zip = zip.to_vec();
    let checksums = |zip: &[u8]| -> Vec<usize> {
        let starts = |signature: &'static [u8; 4], field: usize| {
            let windows = zip.windows(4).enumerate();
            windows.filter(move |(_, window)| window == signature).map(move |(at, _)| at + field)
        };
        starts(b"PK\x03\x04", 14).chain(starts(b"PK\x01\x02", 16)).collect()
    };
    let [_, local, _, central] = checksums(&zip)[..] else { panic!("two members") };
    // The local header has 30 bytes and the name.
    let content = local - 14 + 30 + "a.pdf".len();
    let length = case("plain").len();
    let page = zip[content..].windows(7).position(|window| window == b"200 200").unwrap();
    zip[content + page] = b'3';
    let mut checksum = flate2::Crc::new();
    checksum.update(&zip[content..content + length]);
    for field in [local, central] {
        zip[field..field + 4].copy_from_slice(&checksum.sum().to_le_bytes());
    }
    zip.into()
}

/// The same zip with the two entries of its directory in the other order.
fn with_members_swapped(zip: &[u8]) -> Bytes {
    let entries: Vec<usize> =
        zip.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x01\x02").map(|(at, _)| at).collect();
    let [first, second] = entries[..] else { panic!("two members: {entries:?}") };
    let end = second + (second - first);
    assert!(zip[end..].starts_with(b"PK\x05\x06"), "both entries have the same length");
    [&zip[..first], &zip[second..end], &zip[first..second], &zip[end..]].concat().into()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

fn deflate(bytes: &[u8]) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

fn coded(coding: &str, bytes: Bytes) -> Download {
    Download::Coded { coding: coding.to_owned(), bytes }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_codings_are_undone_or_ignored() {
    let stack = LocalStack::start().await;
    let (plain, zip) = (case("plain"), case("newline_stored_zip"));
    for (id, coding, body) in [
        ("gzip", "gzip", gzip(&plain)),
        ("deflate", "deflate", deflate(&plain)),
        ("both", "deflate, gzip", gzip(&deflate(&plain))),
        ("zip", "gzip", gzip(&zip)),
        ("left-over", "aws-chunked", plain.clone()),
        ("left-over-zip", "aws-chunked", zip),
        ("left-over-gzip", "aws-chunked,gzip", gzip(&plain)),
        ("empty", "", plain.clone()),
        ("nonsense", "binary; charset=utf-8", plain.clone()),
        ("brotli-in-name-only", "br", plain.clone()),
        ("gzip-in-name-only", "gzip", plain.clone()),
    ] {
        let timeline = serve(&stack, id, coded(coding, body)).await;
        assert_archived(&stack, &timeline, &[&plain]).await;
    }
    let long = vec![b' '; 2_000_000];
    let bomb = gzip(&[&plain[..], &long].concat());
    let half = gzip(&plain).slice(..100);
    for (id, coding, body, reason) in [
        ("brotli", "br", Bytes::from_static(b"\x1b\x35\x01"), "content_coding_br"),
        ("strange", "a b c", Bytes::from_static(b"<html>"), "content_coding_unknown"),
        ("cut", "gzip", half, "gzip_unreadable"),
        ("bomb", "gzip", bomb, "decoded_too_large"),
        ("page", "gzip", gzip(b"<html>"), "not_a_pdf"),
    ] {
        let timeline = serve(&stack, id, coded(coding, body)).await;
        assert_eq!(state(&timeline), (ArchiveState::Waiting, Some(reason)), "{id}");
        assert_eq!(timeline.pdfs, [], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn byte_order_marks_before_a_callback_are_ignored() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("marks").documents(1);
    let body = format!("\u{feff}\u{feff}{}", quicklysign::body("final_document_generated", "marks"));
    let answer = stack.post(Route::Quicklysign, "application/json", body).await;
    assert_eq!(answer.status, 200);
    let timeline = stack.wait_for_archive(&pack("marks"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.pdfs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_conflicts_with_another_is_repeated_at_once() {
    let functions = FaultyFunctions::start(1).await;
    for (id, conflicts) in [("counted", 0), ("twice", 2), ("always", 100)] {
        functions.simulator.pack(id).documents(1);
        let body = quicklysign::body("final_document_generated", id);
        functions.post(Route::Quicklysign, None, &[("content-type", "application/json")], body).await.unwrap();
        functions.simulator.clear_requests();
        functions.faults.plan_for("PUT /", conflicts, Fault::Conflict);
        assert!(functions.archive(&pack(id)).await);
        let puts = functions.faults.clear();
        let puts = puts.iter().filter(|call| call.upstream == Upstream::S3 && call.name.starts_with("PUT /"));
        let timeline = functions.timeline(&pack(id)).await;
        assert_eq!(functions.simulator.requests_to("/quicklysign/serve_pdf/").len(), 1, "{id}: one download");
        if conflicts < 5 {
            assert_eq!((state(&timeline), puts.count()), ((ArchiveState::Archived, None), conflicts + 1), "{id}");
        } else {
            let reason = Some("s3_ConditionalRequestConflict");
            assert_eq!((state(&timeline), puts.count()), ((ArchiveState::Waiting, reason), 5), "{id}");
        }
    }
}
