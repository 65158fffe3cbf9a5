//! SignEasy's callbacks: the documented bodies, and a stack that knows their token.

use std::{fs, path::Path};

use bytes::Bytes;
use countersign::{
    domain::{Provider, Route, Subject, SubjectKind},
    ledger::ArchiveState,
    sweep::Sweep,
};
use countersign_cli::stack::Options;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{Answer, LocalStack, from_now, harness::PATH_TOKEN, subject};

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

impl LocalStack {
    /// A stack that knows the token of the documented bodies, under this policy (`SIGNEASY_TOKEN`).
    pub async fn start_with_signeasy_policy(policy: &str) -> Self {
        Self::start_with(|options| set_token(options, policy)).await
    }

    /// The same under the policy `if_present`: a token may be missing.
    pub async fn start_for_signeasy() -> Self {
        Self::start_with_signeasy_policy("if_present").await
    }

    /// Posts a body.
    pub async fn post_signeasy(&self, body: &Value) -> Answer {
        self.post_signeasy_bytes(body.to_string()).await
    }

    /// Posts bytes as JSON.
    pub async fn post_signeasy_bytes(&self, body: impl Into<Bytes>) -> Answer {
        self.post(Route::Signeasy, "application/json", body).await
    }

    /// Runs the sweep as if it were an hour later.
    pub async fn sweep_an_hour_later(&self) {
        let sweep = Sweep::new(&self.settings, &self.aws);
        sweep.run(from_now(SignedDuration::from_hours(1))).await.expect("a sweep");
    }

    /// Waits until a document's archive job is waiting, and checks the reason.
    pub async fn wait_until_waiting_for(&self, id: &str, reason: &str) {
        let timeline = self.wait_for_archive(&document(id), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.expect("an archive job");
        assert_eq!(archive.reason.as_deref(), Some(reason), "{id}");
    }
}

/// Sets the token of the documented bodies, and the policy.
pub fn set_token(options: &mut Options, policy: &str) {
    options.secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN], "tokens": [TOKEN]}));
    options.environment.insert("SIGNEASY_TOKEN".to_owned(), policy.to_owned());
}
