//! The functions' events: API Gateway's events for realistic posts, each about another subject.

use anyhow::{Context, Result};
use bytes::Bytes;
use countersign::domain::{Provider, Route};
use countersign_cli::{
    simulator::legalesign::posts::{self, Post},
    stack::{Secrets, gateway},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::services::GROUP;

/// SignEasy's documented body of a completed request.
const SIGNEASY: &str = include_str!("../../events/signeasy-callback/rs_completed_v2.json");

/// Generates events, all different.
#[derive(Clone)]
pub struct Events<'a> {
    secrets: &'a Secrets,
    /// Number of the run, part of the ids, so that different runs have different events.
    run: u64,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A batch with this number of entries.
    Batch(usize),
    /// The signed realtime form about a document that was signed.
    Realtime,
    /// The final document of a pack.
    Quicklysign,
    /// A completed request.
    Signeasy,
    /// An archive job that isn't due.
    NothingDue,
    /// A scheduled sweep.
    Sweep,
    /// A pack to subscribe to.
    Subscribe,
}

impl<'a> Events<'a> {
    /// Events proven with these secrets.
    #[must_use]
    pub fn new(secrets: &'a Secrets, run: u64) -> Self {
        Self { secrets, run }
    }

    /// The event with this number.
    ///
    /// # Errors
    /// When the secrets have no key or token for it.
    pub fn event(&self, kind: EventKind, number: u64) -> Result<Bytes> {
        let event = match kind {
            EventKind::NothingDue => {
                let job = json!({"pk": format!("quicklysign#document_pack#{}", self.id(number))}).to_string();
                json!({"Records": [{"messageId": "1", "body": job, "eventSource": "aws:sqs"}]})
            }
            EventKind::Sweep => json!({"task": "sweep"}),
            EventKind::Subscribe => json!({"entity_key": self.id(number)}),
            EventKind::Batch(_) | EventKind::Realtime | EventKind::Quicklysign | EventKind::Signeasy => {
                let post = self.post(kind, number)?;
                gateway_event(&post, &self.secrets.url_token(post.route.provider())?)?
            }
        };
        Ok(event.to_string().into())
    }

    /// The post of the callback with this number.
    ///
    /// # Errors
    /// When the secrets have no key or token for it, or this kind of event isn't a callback.
    pub fn post(&self, kind: EventKind, number: u64) -> Result<Post> {
        let id = self.id(number);
        match kind {
            EventKind::Batch(entries) => {
                let data = json!(self.entries(entries, number)).to_string();
                Ok(posts::batch(&self.secrets.signing_key()?, &data)?)
            }
            EventKind::Realtime => {
                Ok(posts::signed_form(&self.secrets.signing_key()?, &id, GROUP)?.with_event("signed"))
            }
            EventKind::Quicklysign => {
                let body = json!({
                    "webhook_key": "key", "entity_type": "Document", "entity_key": id,
                    "callback_event": "final_document_generated",
                });
                Ok(json_post(Route::Quicklysign, &body))
            }
            EventKind::Signeasy => {
                let event: Value = serde_json::from_str(SIGNEASY)?;
                let mut body: Value = serde_json::from_str(event["body"].as_str().context("a body")?)?;
                body["data"]["id"] = json!(self.run * 10_000_000 + number);
                body["metadata"]["token"] = self.secrets.of(Provider::Signeasy).0["tokens"][0].clone();
                Ok(json_post(Route::Signeasy, &body))
            }
            EventKind::NothingDue | EventKind::Sweep | EventKind::Subscribe => anyhow::bail!("{kind:?} isn't posted"),
        }
    }

    /// The subject's id in the event with this number.
    #[must_use]
    pub fn id(&self, number: u64) -> String {
        format!("bench-{:03}-{number:08}", self.run)
    }

    /// Entries of a batch: 20 for each subject, which go through the documented states. Half of the subjects are
    /// documents, the other half signers. The only entry of a batch of one is about a completed document.
    fn entries(&self, count: usize, number: u64) -> Vec<Value> {
        let start = Timestamp::UNIX_EPOCH.as_second() + 1_521_500_000;
        let entry = |position: usize| {
            let subject = position % count.div_ceil(20);
            let step = position / count.div_ceil(20);
            let at = Timestamp::from_second(start + 60 * step as i64 + (subject % 60) as i64);
            let at = at.unwrap_or(Timestamp::UNIX_EPOCH);
            let id = format!("{}-{subject:05}", self.id(number));
            match subject % 2 {
                0 => posts::status("document", &id, if step == 19 || count == 1 { 30 } else { [10, 20][step % 2] }, at),
                _ => posts::status("signer", &id, [4, 5, 10, 15, 20, 30, 35, 39, 40, 50][step % 10], at),
            }
        };
        (0..count).map(entry).collect()
    }
}

fn json_post(route: Route, body: &Value) -> Post {
    let headers = vec![("content-type", "application/json".to_owned())];
    Post { route, query: None, headers, body: body.to_string().into() }
}

/// API Gateway's event for a post.
fn gateway_event(post: &Post, token: &str) -> Result<Value> {
    let mut path = post.route.path().replace("{token}", token);
    if let Some(query) = &post.query {
        path = format!("{path}?{query}");
    }
    let mut request = http::Request::post(path).header("host", "bench.example");
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let (head, ()) = request.body(())?.into_parts();
    let matched = gateway::Matched::of(&head.method, head.uri.path()).context("no route")?;
    Ok(gateway::event::of(&matched, &head, &post.body))
}
