//! QuicklySign's API, version 1 (docs.quicklysign.com).

mod connection;
mod credentials;
mod envelope;
mod error;
mod packs;
mod pages;
mod token;

pub use credentials::ApiSecrets;
pub use error::{ApiError, ErrorResponse};

pub(super) use connection::{Account, Connection};
pub(super) use envelope::Page;
pub(super) use pages::Pages;

use self::{packs::Pack, token::AccessToken};
use crate::{
    aws::Aws,
    domain::{Inspection, Subject, Unavailable},
    outbound::{Client, Credential},
    settings::ServiceSettings,
};

/// QuicklySign's API for document packs.
pub struct Api {
    account: Account,
    access_token: AccessToken,
}

impl Api {
    /// The API with these settings, whose URL may end with the version segment. Reads no secret yet.
    #[must_use]
    pub fn new(settings: &ServiceSettings, aws: &Aws) -> Self {
        Self { account: Account::new(settings, aws), access_token: AccessToken::default() }
    }

    /// The account over a client's connections.
    pub(super) fn connect(&self, client: &Client) -> Connection {
        self.account.connect(client)
    }

    /// Queries a pack's status and final documents: `GET /v1/document_packs/<key>`, all its pages.
    ///
    /// # Errors
    /// Why the API can't report.
    pub async fn inspect(&self, client: &Client, pack: &Subject) -> Result<Inspection, Unavailable> {
        let connection = self.connect(client);
        let mut contents = Pack::new(&pack.id);
        let mut pages = Pages::new(&connection, connection.endpoint(&format!("document_packs/{}", pack.id)));
        let mut credential = None;
        while let Some(url) = pages.current() {
            let (page, token) = self.access_token.get(&connection, url).await?;
            contents.add(&page.data);
            // The newest token: it may have been renewed between two pages.
            credential = Credential::new(connection.base(), connection::ACCESS_TOKEN, &token).ok();
            pages.turn(page.next.as_deref())?;
        }
        Ok(contents.inspection(credential.as_ref()))
    }
}
