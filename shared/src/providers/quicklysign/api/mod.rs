//! QuicklySign's API, version 1 (docs.quicklysign.com).

mod connection;
mod credentials;
mod envelope;
mod error;
mod packs;
mod pages;
mod token;

use url::Url;

pub use credentials::ApiSecrets;
pub use error::{Answered, ApiError};

pub(super) use connection::Connection;
pub(super) use envelope::Page;
pub(super) use pages::Pages;

use super::{options::DeletePaths, webhooks::Webhooks};
use crate::{
    archive::{Inspection, Obstacle},
    outbound::{Client, Credential},
    secrets::Cached,
    subject::SubjectId,
};
use packs::Pack;
use token::AccessToken;

/// What QuicklySign's API says of document packs.
pub struct Api {
    connection: Connection,
    access_token: AccessToken,
}

impl Api {
    /// The API at `base`, with or without its version segment.
    #[must_use]
    pub fn new(client: &Client, base: &Url, secrets: Cached<ApiSecrets>) -> Self {
        Self { connection: Connection::new(client, base, secrets), access_token: AccessToken::default() }
    }

    /// The webhook API of the same account, over the same connections and with the same secret.
    #[must_use]
    pub fn webhooks(&self, delete_paths: DeletePaths) -> Webhooks {
        Webhooks::over(self.connection.clone(), delete_paths)
    }

    /// Asks for a pack's status and final documents: `GET /v1/document_packs/<key>`, all its pages.
    ///
    /// # Errors
    /// Why the API can't say.
    pub async fn inspect(&self, pack: &SubjectId) -> Result<Inspection, Obstacle> {
        let mut contents = Pack::new(pack);
        let mut pages = Pages::new(&self.connection, self.connection.endpoint(&format!("document_packs/{pack}")));
        let mut credential = None;
        while let Some(url) = pages.current() {
            let (page, token) = self.access_token.get(&self.connection, url).await?;
            contents.add(&page.data);
            // The newest token: it may have been renewed between two pages.
            credential = Credential::new(self.connection.base(), connection::ACCESS_TOKEN, &token).ok();
            pages.turn(page.next.as_deref())?;
        }
        Ok(contents.inspection(credential.as_ref()))
    }
}
