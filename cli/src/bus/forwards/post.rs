//! One post of one event.

use std::time::Duration;

use bytes::Bytes;
use countersign::{
    outbound::{Client, Timeouts},
    time,
};
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use super::{Secret, Target};
use crate::bus::Event;

/// Limit for one attempt. Standard Webhooks recommends 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest body of a response, in bytes. It is read only to use the connection again.
const MAX_RESPONSE: usize = 64 * 1024;

/// The result of a post.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Accepted,
    /// 410: the receiver wants no more events.
    Gone,
    /// Any other response, or none. The text is a code or a status, and never from the receiver.
    Failed(String),
}

/// Posts events to one URL.
pub struct Poster {
    url: String,
    /// `None` if the URL isn't allowed. [`Target`] checks that when it is parsed.
    client: Option<Client>,
    secret: Secret,
}

impl Poster {
    pub fn new(target: &Target, secret: Secret) -> Self {
        let timeouts = Timeouts { first_byte: TIMEOUT, stall: TIMEOUT, total: TIMEOUT, ..Timeouts::default() };
        let client = target.policy().map(|policy| Client::new(policy, timeouts));
        Self { url: target.url().to_owned(), client, secret }
    }

    /// Posts an event once. Redirects aren't followed: they count as failures.
    pub async fn post(&self, event: &Event) -> Outcome {
        let (Some(client), Some(request)) = (&self.client, self.request(event)) else {
            return Outcome::Failed("not_signed".to_owned());
        };
        match client.call(request, MAX_RESPONSE).await {
            Ok(response) if response.status().is_success() => Outcome::Accepted,
            Ok(response) if response.status() == StatusCode::GONE => Outcome::Gone,
            Ok(response) => Outcome::Failed(format!("status {}", response.status().as_u16())),
            Err(problem) => Outcome::Failed(problem.code().to_owned()),
        }
    }

    /// The signed request. `None` if it can't be built: if the id has a character that a header can't have.
    fn request(&self, event: &Event) -> Option<Request<Bytes>> {
        let position = event.position.to_string();
        let id = event.id().unwrap_or(&position);
        let body = body(event);
        let now = time::now().as_second();
        let signature = self.secret.webhook().ok()?.sign(id, now, body.as_bytes()).ok()?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, now)
            .header(HEADER_WEBHOOK_SIGNATURE, signature);
        request.body(body.into()).ok()
    }
}

/// The body, in the shape that Standard Webhooks recommends.
fn body(event: &Event) -> String {
    json!({"type": event.detail_type, "timestamp": event.time, "data": event.detail}).to_string()
}
