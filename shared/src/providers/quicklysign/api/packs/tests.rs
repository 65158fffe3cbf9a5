use serde_json::json;

use super::*;

fn inspect(pages: &[Value]) -> Inspection {
    let key = SubjectId::parse("pack").unwrap();
    let mut pack = Pack::new(&key);
    pages.iter().for_each(|page| pack.add(page));
    pack.inspection(None)
}

fn ids(inspection: &Inspection) -> Vec<&str> {
    inspection.documents.iter().map(|document| document.document.as_str()).collect()
}

fn not_complete(reason: &str, ended: bool) -> Option<Unavailable> {
    Some(Unavailable::NotComplete { reason: reason.to_owned(), ended })
}

#[test]
fn documents_are_found_at_any_place() {
    let inspection = inspect(&[json!({
        "document_pack": {
            "key": "pack",
            "documents": [
                {"key": "one", "serve_pdf_url": "https://x/1", "status": "complete", "date_updated": 17},
                {"nested": {"document": {"serve_pdf_url": "https://x/2", "date_updated": "later"}}},
                {"key": "n/o key", "serve_pdf_url": "https://x/3", "date_updated": null},
            ],
        },
    })]);
    let documents = inspection.documents.iter();
    let found: Vec<_> = documents.map(|document| (&*document.document, &*document.url, &*document.version)).collect();
    assert_eq!(
        found,
        [("one", "https://x/1", "17"), ("pack-2", "https://x/2", "later"), ("pack-3", "https://x/3", "")]
    );
    assert_eq!((inspection.status, inspection.unavailable), (Some(Kind::Completed), None));
}

#[test]
fn pages_are_merged_without_duplicate_documents() {
    let page = |key: &str| json!([{"key": key, "serve_pdf_url": "https://x/", "status": "complete"}]);
    let inspection = inspect(&[page("a"), page("b"), page("a")]);
    assert_eq!(ids(&inspection), ["a", "b"]);
}

#[test]
fn one_incomplete_document_makes_the_pack_incomplete() {
    let pack = |status: &str| {
        inspect(&[json!([
            {"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"},
            {"key": "b", "serve_pdf_url": "https://x/2", "status": status},
        ])])
    };
    for (word, kind, unavailable) in [
        ("complete", Some(Kind::Completed), None),
        ("awaiting_signatures", Some(Kind::Sent), not_complete("not_complete", false)),
        ("setup", Some(Kind::Draft), not_complete("not_complete", false)),
        ("conversion_error", None, not_complete("conversion_error", true)),
        ("never heard of", None, not_complete("not_complete", false)),
        ("", None, not_complete("not_complete", false)),
    ] {
        let inspection = pack(word);
        assert_eq!((inspection.status, &inspection.unavailable), (kind, &unavailable), "{word}");
        assert_eq!(inspection.documents.len(), if word == "complete" { 2 } else { 0 }, "{word}: no draft is archived");
    }
}

#[test]
fn the_status_of_the_pack_is_used_if_its_documents_have_none() {
    let pack = |status: &str, documents: Value| {
        inspect(&[json!({"document_pack": {"key": "pack", "status": status, "documents": documents}})])
    };
    let without_status = json!([{"key": "a", "serve_pdf_url": "https://x/1"}]);
    assert_eq!(pack("complete", without_status.clone()).status, Some(Kind::Completed));
    let waiting = pack("awaiting_signatures", without_status);
    assert_eq!((waiting.status, waiting.unavailable), (Some(Kind::Sent), not_complete("not_complete", false)));
    // An undocumented status of the pack doesn't override its documents'.
    let with_status = json!([{"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"}]);
    assert_eq!(pack("active", with_status).status, Some(Kind::Completed));
    // Another entity's status is not the pack's.
    let other = inspect(&[json!({"team": {"key": "team", "status": "complete"}})]);
    assert_eq!((other.status, other.unavailable), (None, not_complete("no_final_document", false)));
}

#[test]
fn a_complete_pack_without_all_pdfs_is_not_ready() {
    let not_ready = Some(Unavailable::NotReady { reason: "no_final_document".to_owned(), after: None });
    for missing in [json!(null), json!("")] {
        let inspection = inspect(&[json!([
            {"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"},
            {"key": "b", "serve_pdf_url": missing, "status": "complete"},
        ])]);
        assert_eq!((inspection.status, &inspection.unavailable), (Some(Kind::Completed), &not_ready));
        assert_eq!(ids(&inspection), ["a"], "the others are archived");
    }
    let none = inspect(&[json!({"key": "pack", "status": "complete"})]);
    assert_eq!((none.status, none.unavailable), (Some(Kind::Completed), not_ready));
}

#[test]
fn an_empty_response_is_not_complete() {
    for data in [json!(null), json!({}), json!([]), json!({"document_pack": {"key": "pack"}})] {
        let inspection = inspect(std::slice::from_ref(&data));
        let nothing = not_complete("no_final_document", false);
        assert_eq!((inspection.status, inspection.unavailable), (None, nothing), "{data}");
    }
}

#[test]
fn documents_without_any_status_have_an_unknown_status() {
    let inspection = inspect(&[json!([{"key": "a", "serve_pdf_url": "https://x/1"}])]);
    assert_eq!((inspection.status, &inspection.unavailable), (None, &None));
    assert_eq!(ids(&inspection), ["a"]);
}
