//! The HMAC of the JSON webhook, whose form is a setting.

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{
    domain::{Kind, Provider, Trust},
    ledger::QuarantineRecord,
    providers::{Probe, Services},
    replay::Replay,
};
use countersign_cli::{
    simulator::legalesign::posts::{self, GROUP, Post},
    stack::Options,
};
use end_to_end::{
    LocalStack, Stored,
    legalesign::{document, signing_key},
};
use serde_json::json;

const OLD: &str = "6f6c642d736563726574";
const NEW: &str = "6e65772d736563726574";

const FORM: &str = "LEGALESIGN_REALTIME_HMAC_FORM";
const POLICY: &str = "LEGALESIGN_REALTIME_HMAC";

/// Sets the secrets and variables.
fn with(hmac_secrets: &[&str], variables: &[(&str, &str)]) -> impl FnOnce(&mut Options) {
    let secrets = json!(hmac_secrets);
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    |options| {
        let mut proof = options.secrets.secret(Provider::Legalesign)["proof"].clone();
        proof["hmac_secrets"] = secrets;
        options.secrets.set_proof(Provider::Legalesign, proof);
        options.environment.extend(variables);
    }
}

fn webhook(id: &str) -> Post {
    posts::webhook(id, "created", id, GROUP, "2026-11-22T02:16:32Z".parse().unwrap())
}

/// With an HMAC of the form `hex-text`.
fn signed(id: &str, secret: &str) -> Post {
    posts::with_hmac(webhook(id), secret.as_bytes(), |code| hex::encode(code))
}

/// The request that was rejected last.
async fn rejected(stack: &LocalStack) -> QuarantineRecord {
    stack.ledger().quarantine_list(Some(Provider::Legalesign), None, 10).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_with_a_valid_hmac_has_the_trust_hmac_and_one_with_a_wrong_hmac_is_rejected() {
    let stack = LocalStack::start_with(with(&[OLD, NEW], &[(FORM, "hex-text")])).await;
    for (id, secret) in [("old", OLD), ("new", NEW)] {
        assert_eq!(stack.post_legalesign(signed(id, secret)).await.verdict(), (200, "recorded", "ok"));
        let timeline = stack.timeline(&document(id)).await;
        assert_eq!((timeline.document.status, timeline.document.trust), (Some(Kind::Sent), Some(Trust::Hmac)), "{id}");
        assert_eq!(timeline.events[0].trust, Trust::Hmac);
    }
    let mut changed = signed("changed", NEW);
    changed.body = webhook("other").body;
    for post in [changed, signed("forged", "guessed")] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (401, "rejected", "unproven"));
        assert_eq!(rejected(&stack).await.cause, "hmac_mismatch");
    }
    // Without an HMAC, the path token is enough. It is an event of its own: its proof is another one.
    assert_eq!(stack.post_legalesign(webhook("old")).await.verdict(), (200, "recorded", "ok"));
    let events = stack.timeline(&document("old")).await.events;
    let mut trusts: Vec<_> = events.iter().map(|event| event.trust.as_str()).collect();
    trusts.sort_unstable();
    assert_eq!(trusts, ["hmac", "token"]);
    assert_eq!(stack.timeline(&document("old")).await.document.trust, Some(Trust::Hmac));
    assert_eq!(stack.stored_of(&[NEW]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn required_rejects_what_has_neither_an_hmac_nor_a_signature() {
    let stack = LocalStack::start_with(with(&[NEW], &[(FORM, "hex-text"), (POLICY, "required")])).await;
    for post in [webhook("none"), posts::form("form", GROUP).with_event("signed")] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (401, "rejected", "unproven"));
        assert_eq!(rejected(&stack).await.cause, "hmac_missing");
    }
    let form = posts::signed_form(&signing_key(&stack.secrets), "signed-form", GROUP).unwrap().with_event("signed");
    for post in [signed("hmac", NEW), form] {
        assert_eq!(stack.post_legalesign(post).await.verdict(), (200, "recorded", "ok"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hmac_counts_as_a_signature_where_one_is_required() {
    let variables = [(FORM, "hex-text"), ("LEGALESIGN_REALTIME_PROOF", "signature")];
    let stack = LocalStack::start_with(with(&[NEW], &variables)).await;
    assert_eq!(stack.post_legalesign(signed("hmac", NEW)).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.post_legalesign(webhook("none")).await.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_of_the_configured_form_an_hmac_is_answered_not_configured() {
    for (secrets, form) in [(&[][..], "hex-text"), (&["no hex"][..], "hex-hex")] {
        let stack = LocalStack::start_with(with(secrets, &[(FORM, form)])).await;
        assert_eq!(
            stack.post_legalesign(signed("d", NEW)).await.verdict(),
            (503, "unavailable", "not_configured"),
            "{form}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_proves_an_hmac_by_the_secrets_whatever_the_policy_is_by_then() {
    let stack = LocalStack::start_with(with(&[OLD], &[(FORM, "hex-text")])).await;
    let recorded: String = stack.post_legalesign(signed("recorded", OLD)).await.delivery().to_owned();
    stack.post_legalesign(signed("rejected", NEW)).await;
    let rejected = rejected(&stack).await.id;

    // A new secret proves what was rejected. The old one is still there.
    let stack = stack.restart(with(&[OLD, NEW], &[(FORM, "hex-text")])).await;
    let replay = Replay::new(&stack.settings, &stack.aws);
    let done = replay.rejected(&rejected).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem), ("recorded", None));
    assert_eq!(stack.timeline(&document("rejected")).await.document.trust, Some(Trust::Hmac));

    let stack = stack.restart(with(&[OLD, NEW], &[(FORM, "hex-text"), (POLICY, "ignored")])).await;
    let ignored = stack.post_legalesign(signed("ignored", "guessed")).await;
    assert_eq!(ignored.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.timeline(&document("ignored")).await.document.trust, Some(Trust::Token));
    let replayed = async |stack: &LocalStack| {
        let replay = Replay::new(&stack.settings, &stack.aws);
        replay.delivery(&recorded.parse().unwrap()).await.unwrap().unwrap().problem
    };
    assert_eq!(replayed(&stack).await, None);
    // Once the secret is gone, the delivery can't be proven again. Its record still says how it was proven.
    let stack = stack.restart(with(&[NEW], &[(FORM, "hex-text")])).await;
    assert_eq!(replayed(&stack).await.as_deref(), Some("hmac_mismatch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_the_form_of_stored_deliveries_and_that_form_is_then_accepted() {
    type Encode = fn(&[u8]) -> String;
    let (in_hex, in_base64): (Encode, Encode) = (|code| hex::encode(code), |code| BASE64_STANDARD.encode(code));
    let key = b"a key of the service";
    let (key_in_hex, key_in_base64) = (hex::encode(key), BASE64_STANDARD.encode(key));
    let text = "a secret of letters, blanks and punctuation";
    for (form, secret, key, encode) in [
        ("hex-text", text, text.as_bytes(), in_hex),
        ("hex-hex", &key_in_hex, key, in_hex),
        ("hex-base64", &key_in_base64, key, in_hex),
        ("base64-text", text, text.as_bytes(), in_base64),
        ("base64-hex", &key_in_hex, key, in_base64),
        ("base64-base64", &key_in_base64, key, in_base64),
    ] {
        let stack = LocalStack::start_with(with(&[secret], &[])).await;
        let post = posts::with_hmac(webhook("d"), key, encode);
        let answer = stack.post_legalesign(post.clone()).await;
        assert_eq!(stack.timeline(&document("d")).await.document.trust, Some(Trust::Token), "{form}");
        let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        let services = Services::verifying(&stack.settings, &stack.aws);
        let probe = services.of(Provider::Legalesign).probe(&stored.delivery).await.unwrap();
        let Some(Probe { setting, matching, .. }) = probe else { panic!("{form}: nothing to probe") };
        assert_eq!((setting, matching), (FORM, Some(vec![form])));

        let stack = stack.restart(with(&[secret], &[(FORM, form)])).await;
        assert_eq!(stack.post_legalesign(post).await.verdict(), (200, "recorded", "ok"), "{form}");
        assert_eq!(stack.timeline(&document("d")).await.document.trust, Some(Trust::Hmac), "{form}");
    }
}
