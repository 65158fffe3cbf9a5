//! Legalesign's callbacks.

use countersign::domain::{Provider, Subject, SubjectKind};
use countersign_cli::{
    simulator::{
        legalesign::posts::{self, Post},
        signing::SigningKey,
    },
    stack::{Options, Secrets},
};
use serde_json::{Value, json};

use crate::{Answer, LocalStack, subject};

impl LocalStack {
    /// A stack whose account has these groups.
    pub async fn start_with_groups(groups: &[&str]) -> Self {
        Self::start_with(|options: &mut Options| {
            let mut proof = options.secrets.of(Provider::Legalesign).0.clone();
            proof["groups"] = json!(groups);
            options.secrets.set_proof(Provider::Legalesign, proof);
        })
        .await
    }

    /// Posts a callback with the right path token.
    pub async fn post_legalesign(&self, post: Post) -> Answer {
        let mut url = self.callback_url(post.route).expect("a path token");
        if let Some(query) = &post.query {
            url = format!("{url}?{query}");
        }
        let headers: Vec<(&str, &str)> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post_to(&url, &headers, post.body).await
    }

    /// Posts a signed batch of these entries.
    pub async fn post_batch(&self, entries: &[Value]) -> Answer {
        self.post_batch_text(&json!(entries).to_string()).await
    }

    /// Posts a signed batch whose `data` is this text.
    pub async fn post_batch_text(&self, data: &str) -> Answer {
        self.post_legalesign(posts::batch(&signing_key(&self.secrets), data).expect("a signature")).await
    }
}

/// The key that the simulated Legalesign signs with.
#[must_use]
pub fn signing_key(secrets: &Secrets) -> SigningKey {
    secrets.signing_key().expect("throw-away secrets")
}

/// An entry of a batch: the status of a document or signer.
#[must_use]
pub fn status(kind: &str, id: &str, code: u32, time: &str) -> Value {
    let uri = format!("/api/v1/{kind}/{id}/");
    json!({"timestamp": time, "name": "status", "value": code.to_string(), "resource_uri": uri})
}

/// A document.
#[must_use]
pub fn document(id: &str) -> Subject {
    subject(Provider::Legalesign, SubjectKind::Document, id)
}

/// A signer.
#[must_use]
pub fn signer(id: &str) -> Subject {
    subject(Provider::Legalesign, SubjectKind::Signer, id)
}
