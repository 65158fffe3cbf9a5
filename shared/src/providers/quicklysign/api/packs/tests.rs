use serde_json::json;

use super::*;

fn inspect(pages: &[Value]) -> Inspection {
    let key = SubjectId::parse("pack").unwrap();
    let mut pack = Pack::new(&key);
    pages.iter().for_each(|page| pack.add(page));
    pack.inspection(None)
}

fn ids(inspection: &Inspection) -> Vec<&str> {
    inspection.documents.iter().map(|wanted| wanted.document.as_str()).collect()
}

fn not_complete(reason: &str, ended: bool) -> Option<Obstacle> {
    Some(Obstacle::NotComplete { reason: reason.to_owned(), ended })
}

#[test]
fn documents_are_found_wherever_they_stand() {
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
    let found: Vec<_> =
        inspection.documents.iter().map(|wanted| (&*wanted.document, &*wanted.url, &*wanted.version)).collect();
    assert_eq!(
        found,
        [("one", "https://x/1", "17"), ("pack-2", "https://x/2", "later"), ("pack-3", "https://x/3", "")]
    );
    assert_eq!((inspection.status, inspection.obstacle), (Some(Kind::Completed), None));
}

#[test]
fn pages_add_up_and_a_document_counts_once() {
    let page = |key: &str| json!([{"key": key, "serve_pdf_url": "https://x/", "status": "complete"}]);
    let inspection = inspect(&[page("a"), page("b"), page("a")]);
    assert_eq!(ids(&inspection), ["a", "b"]);
}

#[test]
fn one_document_that_is_not_complete_keeps_the_pack_from_it() {
    let pack = |status: &str| {
        inspect(&[json!([
            {"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"},
            {"key": "b", "serve_pdf_url": "https://x/2", "status": status},
        ])])
    };
    for (word, kind, obstacle) in [
        ("complete", Some(Kind::Completed), None),
        ("awaiting_signatures", Some(Kind::Sent), not_complete("not_complete", false)),
        ("setup", Some(Kind::Draft), not_complete("not_complete", false)),
        ("conversion_error", None, not_complete("conversion_error", true)),
        ("never heard of", None, not_complete("not_complete", false)),
        ("", None, not_complete("not_complete", false)),
    ] {
        let inspection = pack(word);
        assert_eq!((inspection.status, &inspection.obstacle), (kind, &obstacle), "{word}");
        assert_eq!(inspection.documents.len(), if word == "complete" { 2 } else { 0 }, "{word}: no draft is archived");
    }
}

#[test]
fn the_pack_s_own_status_counts_where_documents_say_nothing() {
    let pack = |status: &str, documents: Value| {
        inspect(&[json!({"document_pack": {"key": "pack", "status": status, "documents": documents}})])
    };
    let said_nothing = json!([{"key": "a", "serve_pdf_url": "https://x/1"}]);
    assert_eq!(pack("complete", said_nothing.clone()).status, Some(Kind::Completed));
    let waiting = pack("awaiting_signatures", said_nothing);
    assert_eq!((waiting.status, waiting.obstacle), (Some(Kind::Sent), not_complete("not_complete", false)));
    // A word of the pack's own that isn't documented doesn't outweigh what its documents say.
    let said = json!([{"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"}]);
    assert_eq!(pack("active", said).status, Some(Kind::Completed));
    // Another entity's status is not the pack's.
    let other = inspect(&[json!({"team": {"key": "team", "status": "complete"}})]);
    assert_eq!((other.status, other.obstacle), (None, not_complete("no_final_document", false)));
}

#[test]
fn a_complete_pack_whose_pdfs_are_not_there_yet_is_waited_for() {
    let not_ready = Some(Obstacle::NotReady { reason: "no_final_document".to_owned(), after: None });
    for missing in [json!(null), json!("")] {
        let inspection = inspect(&[json!([
            {"key": "a", "serve_pdf_url": "https://x/1", "status": "complete"},
            {"key": "b", "serve_pdf_url": missing, "status": "complete"},
        ])]);
        assert_eq!((inspection.status, &inspection.obstacle), (Some(Kind::Completed), &not_ready));
        assert_eq!(ids(&inspection), ["a"], "what is there is archived");
    }
    let none = inspect(&[json!({"key": "pack", "status": "complete"})]);
    assert_eq!((none.status, none.obstacle), (Some(Kind::Completed), not_ready));
}

#[test]
fn an_answer_that_says_nothing_is_not_complete() {
    for data in [json!(null), json!({}), json!([]), json!({"document_pack": {"key": "pack"}})] {
        let inspection = inspect(std::slice::from_ref(&data));
        let nothing = not_complete("no_final_document", false);
        assert_eq!((inspection.status, inspection.obstacle), (None, nothing), "{data}");
    }
}

#[test]
fn documents_without_any_status_are_left_to_the_one_who_asks() {
    let inspection = inspect(&[json!([{"key": "a", "serve_pdf_url": "https://x/1"}])]);
    assert_eq!((inspection.status, &inspection.obstacle), (None, &None));
    assert_eq!(ids(&inspection), ["a"]);
}
