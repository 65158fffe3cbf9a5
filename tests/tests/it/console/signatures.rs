//! The signatures within PDFs on the page of a document.

use bytes::Bytes;
use countersign::ledger::ArchiveState;
use countersign_cli::simulator::Download;
use end_to_end::{LocalStack, pack};

use super::get;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_shows_the_signatures_within_its_pdfs() {
    let stack = LocalStack::start().await;
    for (id, bytes, expected) in [
        (
            "broken",
            &include_bytes!("../../../pdf-signatures/files/bytes-changed.pdf")[..],
            &["bad", "digest_mismatch", "Ada Example", "Test root", "the whole file"][..],
        ),
        (
            "signed",
            include_bytes!("../../../pdf-signatures/files/pades-lta.pdf"),
            &["good", "revision 2 of 4", "document timestamp", "long-term data"],
        ),
        ("unsigned", include_bytes!("../../../pdf-signatures/files/unsigned.pdf"), &["no signature"]),
    ] {
        stack.simulator.pack(id).documents(1).download(Download::Bytes(Bytes::from_static(bytes)));
        stack.post_quicklysign("final_document_generated", id).await;
        stack.wait_for_archive(&pack(id), &[ArchiveState::Archived]).await;
        let page = get(&stack, &format!("/documents/quicklysign/document_pack/{id}")).await.text();
        let (_, section) = page.split_once("Signatures within PDFs").expect("the section");
        let (section, _) = section.split_once("</section>").expect("its end");
        for text in expected {
            assert!(section.contains(text), "{id}: {text} is missing: {section}");
        }
    }
}
