//! Legalesign's callbacks about one document: the form, signed or unsigned, and the JSON webhook.

use std::time::Duration;

use countersign::{
    domain::{Kind, Route, TimeSource, Trust},
    ledger::{ArchiveState, OTHER_GROUP},
};
use countersign_cli::simulator::{
    Status,
    legalesign::posts::{self, GROUP, Post},
    signing::SigningKey,
};
use end_to_end::{
    LocalStack, Stored,
    legalesign::{self, document, signer, status},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_recorded_as_the_event_in_its_url_signed_or_not() {
    let stack = LocalStack::start().await;
    let key = legalesign::signing_key(&stack.secrets);
    for (event, kind) in [("signed", Kind::Completed), ("sent", Kind::Sent), ("rejected", Kind::Declined)] {
        for form in ["plain", "signed"] {
            let id = format!("{event}-{form}");
            let post = match form {
                "plain" => posts::form(&id, GROUP),
                _ => posts::signed_form(&key, &id, GROUP).unwrap(),
            };
            let post = post.with_event(event);
            let answer = stack.post_legalesign(post).await;
            assert_eq!((answer.verdict(), &answer.body["events"]), ((200, "recorded", "ok"), &json!(1)));
            let timeline = stack.timeline(&document(&id)).await;
            assert_eq!((timeline.document.status, timeline.document.trust), (Some(kind), Some(Trust::Token)), "{id}");
            let recorded = &timeline.events[0];
            assert_eq!(
                (recorded.name.as_str(), recorded.kind, recorded.time_source),
                (event, kind, TimeSource::Received)
            );
            assert_eq!(timeline.document.archive.is_some(), kind == Kind::Completed, "{id}");
        }
    }
    for id in ["signed-plain", "signed-signed"] {
        let timeline = stack.wait_for_archive(&document(id), &[ArchiveState::Archived]).await;
        assert_eq!(timeline.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_may_name_the_event_instead_of_the_query() {
    let stack = LocalStack::start().await;
    let url = stack.callback_url(Route::LegalesignRealtime).unwrap();
    let (base, token) = url.rsplit_once('/').unwrap();
    for (path, id) in [(format!("sent/{token}"), "path"), (format!("sent/{token}/"), "path-with-slash")] {
        let post = posts::form(id, GROUP);
        let headers: Vec<_> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = stack.post_to(&format!("{base}/{path}"), &headers, post.body.clone()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        assert_eq!(stack.timeline(&document(id)).await.document.status, Some(Kind::Sent));
        // It is the same event, however the URL names it.
        assert_eq!(stack.post_legalesign(post.with_event("sent")).await.verdict(), (200, "duplicate", "duplicate"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_must_be_valid_if_present_and_only_the_signed_part_is_recorded() {
    let stack = LocalStack::start().await;
    let good = posts::signed_form(&legalesign::signing_key(&stack.secrets), "real", GROUP).unwrap();
    let text = String::from_utf8(good.body.to_vec()).unwrap();
    let (beside, signed) = text.split_once("&json_signed=").unwrap();
    let changed = |body: String| Post { body: body.into(), ..good.clone() };
    let signed_by_other_key = posts::signed_form(&SigningKey::generate().unwrap(), "real", GROUP).unwrap();
    for post in [changed(text.replace("json_signed=%7B", "json_signed=%20%7B")), signed_by_other_key] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (401, "rejected", "unproven"));
    }
    for body in [beside.to_owned(), format!("{text}&json_signed={signed}")] {
        assert_eq!(stack.post_legalesign(changed(body)).await.verdict(), (400, "rejected", "malformed"));
    }
    assert!(stack.items_without_rejections().await.is_empty(), "nothing was recorded");
    let forged = format!("{}&json_signed={signed}", beside.replace("real", "forged"));
    assert_eq!(stack.post_legalesign(changed(forged)).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.timeline(&document("real")).await.document.trust, Some(Trust::Signature));
    assert!(stack.ledger().timeline(&document("forged")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_posts_are_rejected_if_signatures_are_required() {
    let stack = LocalStack::start_with_environment(&[("LEGALESIGN_REALTIME_PROOF", "signature")]).await;
    let webhook = posts::webhook("e1", "document.finalPdfCreated", "d", GROUP, jiff::Timestamp::now());
    for post in [posts::form("d", GROUP).with_event("signed"), webhook] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (401, "rejected", "unproven"));
    }
    let signed = posts::signed_form(&legalesign::signing_key(&stack.secrets), "d", GROUP).unwrap().with_event("signed");
    assert_eq!(stack.post_legalesign(signed).await.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_the_url_has_the_trust_of_a_token_even_if_the_document_is_signed() {
    let stack = LocalStack::start().await;
    let key = legalesign::signing_key(&stack.secrets);
    assert_eq!(
        stack.post_legalesign(posts::form("d", GROUP).with_event("sent")).await.verdict(),
        (200, "recorded", "ok")
    );
    let signed = || posts::signed_form(&key, "d", GROUP).unwrap();
    let same = stack.post_legalesign(signed().with_event("sent")).await;
    assert_eq!(same.verdict(), (200, "duplicate", "duplicate"), "the same event, with the same proof of it");
    let without_event = stack.post_legalesign(signed()).await;
    assert_eq!(without_event.verdict(), (200, "recorded", "ok"), "it says less, but that is signed");
    let timeline = stack.timeline(&document("d")).await;
    let mut events: Vec<_> = timeline.events.iter().map(|event| (event.trust, event.deliveries)).collect();
    events.sort();
    assert_eq!(events, [(Trust::Token, 2), (Trust::Signature, 1)]);
    let stored = stack.ledger().delivery(&same.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.delivery.trust(), Trust::Signature, "the delivery itself is signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_document_with_another_event_in_the_url_contradicts_nothing_that_is_signed() {
    let key = legalesign::signing_key(&end_to_end::harness::throw_away_secrets());
    let rejected = posts::signed_form(&key, "d", GROUP).unwrap().with_event("rejected");
    for first_rejected in [false, true] {
        let stack = LocalStack::start().await;
        let completed = [status("document", "d", 30, "2018-03-20T07:09:52")];
        if first_rejected {
            stack.post_legalesign(rejected.clone()).await;
        }
        assert_eq!(stack.post_batch(&completed).await.verdict(), (200, "recorded", "ok"));
        if !first_rejected {
            stack.post_legalesign(rejected.clone()).await;
        }
        let timeline = stack.timeline(&document("d")).await;
        assert_eq!(
            (timeline.document.status, timeline.document.trust),
            (Some(Kind::Completed), Some(Trust::Signature))
        );
        assert!(!timeline.document.conflict && timeline.events.len() == 2, "{first_rejected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_with_the_same_id_and_another_event_are_two_events() {
    let stack = LocalStack::start().await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    for (event, kind) in [("document.created", Kind::Sent), ("document.rejected", Kind::Declined)] {
        let post = || posts::webhook("evt-1", event, "d", GROUP, at);
        assert_eq!(stack.post_legalesign(post()).await.verdict(), (200, "recorded", "ok"), "{event}");
        assert_eq!(stack.post_legalesign(post()).await.verdict(), (200, "duplicate", "duplicate"), "{event}");
        assert_eq!(stack.timeline(&document("d")).await.document.status, Some(kind));
    }
    let events = stack.timeline(&document("d")).await.events;
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Sent, Kind::Declined]);
    assert_eq!(stack.post_legalesign(posts::webhook("evt-1", "document.created", "e", GROUP, at)).await.status, 200);
    assert_eq!(stack.timeline(&document("e")).await.events.len(), 1, "another document");
}

#[tokio::test(flavor = "multi_thread")]
async fn byte_order_marks_before_a_webhook_or_form_are_ignored() {
    let stack = LocalStack::start().await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    for (id, post) in [
        ("webhook", posts::webhook("e1", "document.created", "webhook", GROUP, at)),
        ("form", posts::form("form", GROUP).with_event("sent")),
    ] {
        let body = [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], &post.body].concat();
        let answer = stack.post_legalesign(Post { body: body.clone().into(), ..post }).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{id}");
        assert_eq!(stack.timeline(&document(id)).await.document.status, Some(Kind::Sent));
        let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(stored.delivery.body(), &body, "the stored bytes keep them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_changes_nothing_not_even_the_timestamp() {
    let stack = LocalStack::start().await;
    stack.post_legalesign(posts::form("d", GROUP).with_event("sent")).await;
    let first = stack.timeline(&document("d")).await.document;
    tokio::time::sleep(Duration::from_millis(5)).await;
    stack.post_legalesign(posts::form("d", GROUP).with_event("sent")).await;
    assert_eq!(stack.timeline(&document("d")).await.document, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_an_event_queries_the_api_every_time() {
    let stack = LocalStack::start().await;
    let path = "/legalesign/api/v1/document/queried/";
    let calls = || stack.simulator.requests().iter().filter(|request| request.path == path).count();
    let wait_for_calls = async |times: usize| {
        for _ in 0..3000 {
            let archive = stack.timeline(&document("queried")).await.document.archive;
            if calls() >= times && archive.is_none_or(|archive| archive.state != ArchiveState::Due) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the API wasn't called {times} times");
    };
    stack.simulator.document("queried").status(Status::Awaiting);
    assert_eq!(stack.post_legalesign(posts::form("queried", GROUP)).await.verdict(), (200, "recorded", "ok"));
    wait_for_calls(1).await;
    let timeline = stack.timeline(&document("queried")).await;
    assert_eq!((timeline.events[0].kind, timeline.events[0].name.as_str()), (Kind::Updated, "realtime"));
    assert_eq!(timeline.document.status, Some(Kind::Sent), "as the API reports, since no event gave a status");
    assert!(timeline.document.confirmed_at.is_some());
    assert_eq!((timeline.document.archive, timeline.signers.len()), (None, 2), "nothing to wait for");

    // The next post has the same identity, but the document may have changed.
    stack.simulator.document("queried").status(Status::Complete);
    assert_eq!(stack.post_legalesign(posts::form("queried", GROUP)).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = stack.wait_for_archive(&document("queried"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.pdfs.len(), 2);
    // It stays archived after further queries.
    stack.post_legalesign(posts::form("queried", GROUP)).await;
    wait_for_calls(3).await;
    assert_eq!(stack.wait_for_archive(&document("queried"), &[ArchiveState::Archived]).await.pdfs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_archives_its_document_and_links_its_signers() {
    let stack = LocalStack::start().await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    let mut post = posts::webhook("e1", "finalPdfCreated", "d", GROUP, at);
    post.headers.extend([("x-hmac-sha256", "0f".to_owned()), ("x-signed-sha256", "unknown".to_owned())]);
    let answer = stack.post_legalesign(post.clone()).await;
    assert_eq!((answer.verdict(), &answer.body["events"]), ((200, "recorded", "ok"), &json!(1)));
    assert_eq!(stack.post_legalesign(post).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = stack.wait_for_archive(&document("d"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.status, timeline.document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    let event = &timeline.events[0];
    assert_eq!((event.occurred_at, event.time_source, event.deliveries), (at, TimeSource::Provider, 2));
    let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.delivery.envelope().header("x-signed-sha256"), Some("unknown"), "stored, but not verified");

    let body = json!({
        "version": "1", "id": "e2", "object": "recipient", "event": "recipient.rejected", "created": 1795313792,
        "data": {"uuid": "s9", "status": 60, "documentResourceUri": "/api/v1/document/d/", "rejectReason": "no"},
    });
    let post = Post { body: body.to_string().into(), ..posts::webhook("", "", "d", GROUP, at) };
    assert_eq!(stack.post_legalesign(post).await.verdict(), (200, "recorded", "ok"));
    let signers = stack.timeline(&document("d")).await.signers;
    let rejected = signers.iter().find(|signer| signer.id == "s9").unwrap();
    assert_eq!((signers.len(), rejected.status), (3, Some(Kind::Declined)));
    assert_eq!(stack.timeline(&signer("s9")).await.documents, ["d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_realtime_callbacks_are_set_aside() {
    let stack = LocalStack::start().await;
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", ""),
        ("application/x-www-form-urlencoded", "uuid=d&group=g&name=n"),
        ("multipart/form-data", "uuid=d"),
        ("application/json", "{"),
        ("application/json", "{}"),
        ("application/json", r#"{"id":"1","object":"team","event":"team.created","data":{"uuid":"t"}}"#),
    ] {
        let answer = stack.post(countersign::domain::Route::LegalesignRealtime, content_type, body).await;
        assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"), "{body}");
        let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(stored.delivery.body(), body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_other_groups_are_recorded_as_foreign_and_not_archived() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    for id in ["form", "webhook", "batch"] {
        stack.simulator.document(id).group("theirs");
    }
    stack.simulator.document("mine").group("ours");
    stack.post_legalesign(posts::form("form", "theirs").with_event("signed")).await;
    stack.post_legalesign(posts::webhook("e1", "finalPdfCreated", "webhook", "theirs", at)).await;
    for id in ["form", "webhook"] {
        let timeline = stack.timeline(&document(id)).await;
        assert!(timeline.events[0].foreign && timeline.document.status == Some(Kind::Completed), "{id}");
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.state, archive.reason.as_deref()), (ArchiveState::Foreign, Some(OTHER_GROUP)));
    }
    assert!(stack.simulator.requests().is_empty(), "the API wasn't called");
    // A batch doesn't contain the group, but the API's response does.
    let time = "2018-03-20T07:09:52";
    stack.post_batch(&[status("document", "batch", 30, time), status("document", "mine", 30, time)]).await;
    stack.post_batch(&[status("document", "form", 30, time)]).await;
    for id in ["batch", "form"] {
        let archive = stack.wait_for_archive(&document(id), &[ArchiveState::Foreign]).await.document.archive.unwrap();
        assert_eq!(archive.reason.as_deref(), Some(OTHER_GROUP));
    }
    let mine = stack.wait_for_archive(&document("mine"), &[ArchiveState::Archived]).await;
    assert!(mine.pdfs.len() == 2 && !mine.events[0].foreign);
    assert!(stack.keys().await.iter().all(|key| !key.contains("form") && !key.contains("batch")));
    // An operator can still have it archived.
    assert!(stack.ledger().retry(&document("form")).await.unwrap());
    assert_eq!(stack.wait_for_archive(&document("form"), &[ArchiveState::Archived]).await.pdfs.len(), 2);
}
