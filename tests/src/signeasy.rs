//! SignEasy for tests: the documented bodies, and a stack that knows their token.

use std::{fs, path::Path};

use bytes::Bytes;
use countersign::{
    delivery::Route,
    ledger::ArchiveState,
    provider::Provider,
    subject::{Subject, SubjectKind},
    sweep::Sweep,
};
use countersign_cli::stack::Options;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{Answer, World, subject};

/// The path token of the documented bodies' events.
pub const PATH_TOKEN: &str = "local-path-token";
/// The token in the documented bodies.
pub const TOKEN: &str = "myloooooooongtokenbiggerthan12chars";

/// A request, signed file or document.
#[must_use]
pub fn document(id: &str) -> Subject {
    subject(Provider::Signeasy, SubjectKind::Document, id)
}

/// A documented body: one of `events/signeasy-callback`.
#[must_use]
pub fn sample(case: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/signeasy-callback");
    let event = fs::read(folder.join(format!("{case}.json"))).expect("a case");
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    serde_json::from_str(event["body"].as_str().expect("a body")).expect("JSON")
}

/// A documented body, changed.
#[must_use]
pub fn changed(case: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = sample(case);
    change(&mut body);
    body
}

impl World {
    /// A stack that knows the token of the documented bodies, under this policy (`SIGNEASY_TOKEN`).
    pub async fn signeasy_under(policy: &str) -> Self {
        Self::with(|options| with_token(options, policy)).await
    }

    /// The same, with a token wherever one belongs.
    pub async fn for_signeasy() -> Self {
        Self::signeasy_under("if_present").await
    }

    /// Posts a body.
    pub async fn signeasy(&self, body: &Value) -> Answer {
        self.signeasy_bytes(body.to_string()).await
    }

    /// Posts bytes.
    pub async fn signeasy_bytes(&self, body: impl Into<Bytes>) -> Answer {
        self.post(Route::Signeasy, "application/json", body).await
    }

    /// Does what the schedule does an hour later.
    pub async fn sweep_later(&self) {
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        let sweep = Sweep::new(self.ledger(), self.stack.settings.download_hosts.clone());
        sweep.run(later).await.expect("a sweep");
    }

    /// Waits until a document's order waits for this reason.
    pub async fn waits_because(&self, id: &str, reason: &str) {
        let timeline = self.archive_is(&document(id), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.expect("an order");
        assert_eq!(archive.reason.as_deref(), Some(reason), "{id}");
    }
}

/// Gives a stack's options the token of the documented bodies.
pub fn with_token(options: &mut Options, policy: &str) {
    options.secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN], "tokens": [TOKEN]}));
    options.environment.insert("SIGNEASY_TOKEN".to_owned(), policy.to_owned());
}
