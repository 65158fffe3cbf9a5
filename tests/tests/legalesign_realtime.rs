//! Legalesign's callbacks about one document: the form, signed or not, and the JSON webhook.

use std::time::Duration;

use countersign::{
    event::{Kind, TimeSource, Trust},
    ledger::{ArchiveState, OTHER_GROUP},
    provider::Provider,
};
use countersign_cli::simulator::{
    Status,
    legalesign::posts::{self, GROUP, Post},
    signing::SigningKey,
};
use end_to_end::{
    World,
    legalesign::{document, signer, status},
};
use serde_json::json;

async fn with_groups(groups: &[&str]) -> World {
    World::with(|options| {
        let mut proof = options.secrets.of(Provider::Legalesign).0.clone();
        proof["groups"] = json!(groups);
        options.secrets.set_proof(Provider::Legalesign, proof);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_signed_or_not_says_what_its_url_says() {
    let world = World::start().await;
    let key = world.legalesign_key();
    for (event, kind) in [("signed", Kind::Completed), ("sent", Kind::Sent), ("rejected", Kind::Declined)] {
        for trust in [Trust::Token, Trust::Signature] {
            let id = format!("{event}-{}", trust.as_str());
            let post = match trust {
                Trust::Token => posts::form(&id, GROUP),
                Trust::Signature => posts::signed_form(&key, &id, GROUP),
            };
            let post = post.upon(event);
            let answer = world.send(post).await;
            assert_eq!((answer.verdict(), &answer.body["events"]), ((200, "recorded", "ok"), &json!(1)));
            let timeline = world.timeline(&document(&id)).await;
            assert_eq!((timeline.document.status, timeline.document.trust), (Some(kind), Some(trust)), "{id}");
            let recorded = &timeline.events[0];
            assert_eq!(
                (recorded.name.as_str(), recorded.kind, recorded.time_source),
                (event, kind, TimeSource::Received)
            );
            assert_eq!(timeline.document.archive.is_some(), kind == Kind::Completed, "{id}");
        }
    }
    for id in ["signed-token", "signed-signature"] {
        let timeline = world.archive_is(&document(id), &[ArchiveState::Archived]).await;
        assert_eq!(timeline.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_there_has_to_be_right_and_only_what_it_covers_is_believed() {
    let world = World::start().await;
    let good = posts::signed_form(&world.legalesign_key(), "real", GROUP).upon("signed");
    let text = String::from_utf8(good.body.to_vec()).unwrap();
    let (beside, signed) = text.split_once("&json_signed=").unwrap();
    let changed = |body: String| Post { body: body.into(), ..good.clone() };
    let stranger = posts::signed_form(&SigningKey::generate().unwrap(), "real", GROUP).upon("signed");
    for post in [changed(text.replace("json_signed=%7B", "json_signed=%20%7B")), stranger] {
        assert_eq!(world.send(post).await.verdict(), (401, "rejected", "unproven"));
    }
    for body in [beside.to_owned(), format!("{text}&json_signed={signed}")] {
        assert_eq!(world.send(changed(body)).await.verdict(), (400, "rejected", "malformed"));
    }
    assert!(world.believed().await.is_empty(), "nothing of it was recorded");
    let forged = format!("{}&json_signed={signed}", beside.replace("real", "forged"));
    assert_eq!(world.send(changed(forged)).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(world.timeline(&document("real")).await.document.trust, Some(Trust::Signature));
    assert!(world.ledger().timeline(&document("forged")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_signature_is_demanded_posts_without_are_refused() {
    let demanded = ("LEGALESIGN_REALTIME_PROOF".to_owned(), "signature".to_owned());
    let world = World::with(|options| options.environment.extend([demanded])).await;
    let webhook = posts::webhook("e1", "document.finalPdfCreated", "d", GROUP, jiff::Timestamp::now());
    for post in [posts::form("d", GROUP).upon("signed"), webhook] {
        assert_eq!(world.send(post).await.verdict(), (401, "rejected", "unproven"));
    }
    let signed = posts::signed_form(&world.legalesign_key(), "d", GROUP).upon("signed");
    assert_eq!(world.send(signed).await.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_said_stands_beside_what_a_signature_said() {
    let world = World::start().await;
    let key = world.legalesign_key();
    assert_eq!(world.send(posts::form("d", GROUP).upon("sent")).await.verdict(), (200, "recorded", "ok"));
    let signed = || posts::signed_form(&key, "d", GROUP).upon("sent");
    assert_eq!(world.send(signed()).await.verdict(), (200, "recorded", "ok"), "it isn't pre-empted");
    assert_eq!(world.send(signed()).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = world.timeline(&document("d")).await;
    let mut told: Vec<_> = timeline.events.iter().map(|event| (event.trust, event.deliveries)).collect();
    told.sort();
    assert_eq!(told, [(Trust::Token, 1), (Trust::Signature, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_changes_nothing_not_even_the_time() {
    let world = World::start().await;
    world.send(posts::form("d", GROUP).upon("sent")).await;
    let first = world.timeline(&document("d")).await.document;
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.send(posts::form("d", GROUP).upon("sent")).await;
    assert_eq!(world.timeline(&document("d")).await.document, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_says_what_happened_the_api_is_asked_each_time() {
    let world = World::start().await;
    let path = "/legalesign/api/v1/document/asked/";
    let asked = || world.stack.simulator.requests().iter().filter(|request| request.path == path).count();
    let answered = async |times: usize| {
        for _ in 0..3000 {
            let archive = world.timeline(&document("asked")).await.document.archive;
            if asked() >= times && archive.is_none_or(|archive| archive.state != ArchiveState::Due) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the API wasn't asked {times} times");
    };
    world.stack.simulator.document("asked").status(Status::Awaiting);
    assert_eq!(world.send(posts::form("asked", GROUP)).await.verdict(), (200, "recorded", "ok"));
    answered(1).await;
    let timeline = world.timeline(&document("asked")).await;
    assert_eq!((timeline.events[0].kind, timeline.events[0].name.as_str()), (Kind::Updated, "realtime"));
    assert_eq!(timeline.document.status, Some(Kind::Sent), "the API's answer, since no event gave a status");
    assert!(timeline.document.confirmed_at.is_some());
    assert_eq!((timeline.document.archive, timeline.signers.len()), (None, 2), "there is nothing to wait for");

    // The next post is the same event by its identity, and something else may have happened.
    world.stack.simulator.document("asked").status(Status::Complete);
    assert_eq!(world.send(posts::form("asked", GROUP)).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = world.archive_is(&document("asked"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.pdfs.len(), 2);
    // It is archived, and stays so whatever is asked.
    world.send(posts::form("asked", GROUP)).await;
    answered(3).await;
    assert_eq!(world.archive_is(&document("asked"), &[ArchiveState::Archived]).await.pdfs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_s_document_is_archived_and_its_signers_are_linked() {
    let world = World::start().await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    let mut post = posts::webhook("e1", "finalPdfCreated", "d", GROUP, at);
    post.headers.extend([("x-hmac-sha256", "0f".to_owned()), ("x-signed-sha256", "nobody knows".to_owned())]);
    let answer = world.send(post.clone()).await;
    assert_eq!((answer.verdict(), &answer.body["events"]), ((200, "recorded", "ok"), &json!(1)));
    assert_eq!(world.send(post).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = world.archive_is(&document("d"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.status, timeline.document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    let event = &timeline.events[0];
    assert_eq!((event.occurred_at, event.time_source, event.deliveries), (at, TimeSource::Provider, 2));
    let stored = world.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.delivery.envelope().header("x-signed-sha256"), Some("nobody knows"), "kept, and not believed");

    let body = json!({
        "version": "1", "id": "e2", "object": "recipient", "event": "recipient.rejected", "created": 1795313792,
        "data": {"uuid": "s9", "status": 60, "documentResourceUri": "/api/v1/document/d/", "rejectReason": "no"},
    });
    let post = Post { body: body.to_string().into(), ..posts::webhook("", "", "d", GROUP, at) };
    assert_eq!(world.send(post).await.verdict(), (200, "recorded", "ok"));
    let signers = world.timeline(&document("d")).await.signers;
    let rejected = signers.iter().find(|signer| signer.id == "s9").unwrap();
    assert_eq!((signers.len(), rejected.status), (3, Some(Kind::Declined)));
    assert_eq!(world.timeline(&signer("s9")).await.documents, ["d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_set_aside() {
    let world = World::start().await;
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", ""),
        ("application/x-www-form-urlencoded", "uuid=d&group=g&name=n"),
        ("multipart/form-data", "uuid=d"),
        ("application/json", "{"),
        ("application/json", "{}"),
        ("application/json", r#"{"id":"1","object":"team","event":"team.created","data":{"uuid":"t"}}"#),
    ] {
        let answer = world.post(countersign::delivery::Route::LegalesignRealtime, content_type, body).await;
        assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"), "{body}");
        let stored = world.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(stored.delivery.body(), body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_groups_documents_are_recorded_as_foreign_and_not_archived() {
    let world = with_groups(&["ours"]).await;
    let at = "2026-11-22T02:16:32Z".parse().unwrap();
    for id in ["form", "webhook", "batch"] {
        world.stack.simulator.document(id).group("theirs");
    }
    world.stack.simulator.document("mine").group("ours");
    world.send(posts::form("form", "theirs").upon("signed")).await;
    world.send(posts::webhook("e1", "finalPdfCreated", "webhook", "theirs", at)).await;
    for id in ["form", "webhook"] {
        let timeline = world.timeline(&document(id)).await;
        assert!(timeline.events[0].foreign && timeline.document.status == Some(Kind::Completed), "{id}");
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.state, archive.reason.as_deref()), (ArchiveState::Foreign, Some(OTHER_GROUP)));
    }
    assert!(world.stack.simulator.requests().is_empty(), "nobody was asked for them");
    // A batch names no group: the API's answer does.
    let time = "2018-03-20T07:09:52";
    world.batch(&[status("document", "batch", 30, time), status("document", "mine", 30, time)]).await;
    world.batch(&[status("document", "form", 30, time)]).await;
    for id in ["batch", "form"] {
        let archive = world.archive_is(&document(id), &[ArchiveState::Foreign]).await.document.archive.unwrap();
        assert_eq!(archive.reason.as_deref(), Some(OTHER_GROUP));
    }
    let mine = world.archive_is(&document("mine"), &[ArchiveState::Archived]).await;
    assert!(mine.pdfs.len() == 2 && !mine.events[0].foreign);
    assert!(world.keys().await.iter().all(|key| !key.contains("form") && !key.contains("batch")));
    // Somebody who wants it all the same can have it.
    assert!(world.ledger().retry(&document("form")).await.unwrap());
    assert_eq!(world.archive_is(&document("form"), &[ArchiveState::Archived]).await.pdfs.len(), 2);
}
