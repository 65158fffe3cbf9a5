//! Dropbox Sign's callbacks.

use countersign::domain::{Provider, Subject, SubjectId, SubjectKind};
use countersign_cli::simulator::callbacks::{self, Post};

use crate::{Answer, LocalStack, subject};

/// A signature request.
#[must_use]
pub fn signature_request(id: &str) -> Subject {
    subject(Provider::DropboxSign, SubjectKind::Document, id)
}

impl LocalStack {
    /// A documented callback about a request, with a valid hash.
    #[must_use]
    pub fn dropbox_sign(&self, event: &str, id: &str) -> Post {
        let id = SubjectId::parse(id).expect("an id");
        let secret = self.secrets.secret(Provider::DropboxSign);
        callbacks::callback(Provider::DropboxSign, event, &id, &callbacks::Options::default(), secret)
            .expect("a callback")
    }

    /// Posts a documented callback about a request.
    pub async fn post_dropbox_sign(&self, event: &str, id: &str) -> Answer {
        let post = self.dropbox_sign(event, id);
        self.post(post.route, &post.headers[0].1, post.body).await
    }
}
