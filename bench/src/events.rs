//! What the functions are called with: API Gateway's events of real posts, each about something else.

use anyhow::{Context, Result};
use bytes::Bytes;
use countersign::{delivery::Route, provider::Provider};
use countersign_cli::{
    simulator::legalesign::posts::{self, Post},
    stack::{Secrets, gateway},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::services::GROUP;

/// SignEasy's documented body of a completed request.
const SIGNEASY: &str = include_str!("../../events/signeasy-callback/rs_completed_v2.json");

/// Makes events, all different.
#[derive(Clone)]
pub struct Events<'a> {
    secrets: &'a Secrets,
    /// Sets those of one run apart from another's.
    run: u64,
}

/// The sort of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A batch of so many entries.
    Batch(usize),
    /// The form upon a signed document, signed.
    Realtime,
    /// A pack's final document.
    Quicklysign,
    /// A completed request.
    Signeasy,
    /// An archive order that isn't due.
    NothingDue,
    /// A run of the schedule.
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

    /// The event of this number.
    ///
    /// # Errors
    /// When the secrets have no key or token for it.
    pub fn event(&self, sort: Sort, number: u64) -> Result<Bytes> {
        let event = match sort {
            Sort::NothingDue => {
                let order = json!({"pk": format!("quicklysign#document_pack#{}", self.id(number))}).to_string();
                json!({"Records": [{"messageId": "1", "body": order, "eventSource": "aws:sqs"}]})
            }
            Sort::Sweep => json!({"task": "sweep"}),
            Sort::Subscribe => json!({"entity_key": self.id(number)}),
            Sort::Batch(_) | Sort::Realtime | Sort::Quicklysign | Sort::Signeasy => {
                let post = self.post(sort, number)?;
                gateway_event(&post, &self.secrets.url_token(post.route.provider())?)?
            }
        };
        Ok(event.to_string().into())
    }

    /// The post of a callback of this number.
    ///
    /// # Errors
    /// When the secrets have no key or token for it, or it is no callback.
    pub fn post(&self, sort: Sort, number: u64) -> Result<Post> {
        let id = self.id(number);
        match sort {
            Sort::Batch(entries) => {
                let data = json!(self.entries(entries, number)).to_string();
                Ok(posts::batch(&self.secrets.signing_key()?, &data))
            }
            Sort::Realtime => Ok(posts::signed_form(&self.secrets.signing_key()?, &id, GROUP).upon("signed")),
            Sort::Quicklysign => {
                let body = json!({
                    "webhook_key": "key", "entity_type": "Document", "entity_key": id,
                    "callback_event": "final_document_generated",
                });
                Ok(json_post(Route::Quicklysign, &body))
            }
            Sort::Signeasy => {
                let event: Value = serde_json::from_str(SIGNEASY)?;
                let mut body: Value = serde_json::from_str(event["body"].as_str().context("a body")?)?;
                body["data"]["id"] = json!(self.run * 10_000_000 + number);
                body["metadata"]["token"] = self.secrets.of(Provider::Signeasy).0["tokens"][0].clone();
                Ok(json_post(Route::Signeasy, &body))
            }
            Sort::NothingDue | Sort::Sweep | Sort::Subscribe => anyhow::bail!("{sort:?} isn't posted"),
        }
    }

    /// The id in the event of this number.
    #[must_use]
    pub fn id(&self, number: u64) -> String {
        format!("bench-{:03}-{number:08}", self.run)
    }

    /// Twenty entries about each subject: half of the subjects are documents, half signers, and each goes through the
    /// documented states. One entry alone says that a document is complete.
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

/// The event that API Gateway makes of a post.
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
    Ok(gateway::event::of(post.route, token, &head, &post.body))
}
