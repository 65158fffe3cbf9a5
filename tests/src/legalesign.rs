//! Legalesign's posts to a local stack.

use countersign::{
    provider::Provider,
    subject::{Subject, SubjectKind},
};
use countersign_cli::simulator::{
    legalesign::posts::{self, Post},
    signing::SigningKey,
};
use serde_json::{Value, json};

use crate::{Answer, World, subject};

impl World {
    /// The key that the stack's certificate belongs to.
    #[must_use]
    pub fn legalesign_key(&self) -> SigningKey {
        self.stack.secrets.signing_key().expect("throw-away secrets")
    }

    /// Sends a post with the right path token.
    pub async fn send(&self, post: Post) -> Answer {
        let mut url = self.stack.callback_url(post.route).expect("a path token");
        if let Some(query) = &post.query {
            url = format!("{url}?{query}");
        }
        let headers: Vec<(&str, &str)> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post_to(&url, &headers, post.body).await
    }

    /// Sends a signed batch of these entries.
    pub async fn batch(&self, entries: &[Value]) -> Answer {
        self.batch_of(&json!(entries).to_string()).await
    }

    /// Sends a signed batch whose `data` is this text.
    pub async fn batch_of(&self, data: &str) -> Answer {
        self.send(posts::batch(&self.legalesign_key(), data)).await
    }
}

/// An entry: that something has a status.
#[must_use]
pub fn status(kind: &str, id: &str, code: u32, time: &str) -> Value {
    let uri = format!("/api/v1/{kind}/{id}/");
    json!({"timestamp": time, "name": "status", "value": code.to_string(), "resource_uri": uri})
}

/// A Legalesign document.
#[must_use]
pub fn document(id: &str) -> Subject {
    subject(Provider::Legalesign, SubjectKind::Document, id)
}

/// A Legalesign signer.
#[must_use]
pub fn signer(id: &str) -> Subject {
    subject(Provider::Legalesign, SubjectKind::Signer, id)
}
