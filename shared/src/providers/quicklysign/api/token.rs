//! The access token: requested with the credentials, cached, and requested again if the API rejects it. Tokens expire;
//! their lifetime is not documented.

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::{connection::Connection, envelope::Page, error::ApiError};

/// The cached token, if there is one.
#[derive(Default)]
pub(super) struct AccessToken(Mutex<Option<SecretString>>);

impl AccessToken {
    /// `GET` with the access token; if the API rejects it, once more with a new one. Returns the accepted token too.
    pub(super) async fn get(&self, connection: &Connection, url: &Url) -> Result<(Page, SecretString), ApiError> {
        let mut token = self.current(connection, None).await?;
        let mut response = connection.send(Method::GET, url, Some(&token), None).await;
        if response.as_ref().is_err_and(|error| error.status() == Some(401)) {
            token = self.current(connection, Some(&token)).await?;
            response = connection.send(Method::GET, url, Some(&token), None).await;
        }
        Ok((response?, token))
    }

    /// The cached token. If there is none, or it is the rejected one, requests a new one: `POST /v1/access_tokens`.
    async fn current(
        &self,
        connection: &Connection,
        rejected: Option<&SecretString>,
    ) -> Result<SecretString, ApiError> {
        // The lock is held during the request, so that concurrent jobs share one token.
        let mut cached = self.0.lock().await;
        if let Some(token) = cached.as_ref()
            && rejected.is_none_or(|rejected| rejected.expose_secret() != token.expose_secret())
        {
            return Ok(token.clone());
        }
        *cached = None;
        let mut secrets = connection.secrets.get().await?;
        if rejected.is_some()
            && let Some(newer) = connection.secrets.reread(&secrets).await
        {
            // The credentials themselves were rotated.
            secrets = newer;
        }
        let body = json!({
            "client_id": secrets.client_id(),
            "client_secret": secrets.client_secret(),
            "api_key": secrets.api_key(),
        });
        let url = connection.endpoint("access_tokens");
        let response = connection.send(Method::POST, &url, None, Some(&body)).await?;
        let token = response.data.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = SecretString::from(token.ok_or(ApiError::Missing("access_token"))?);
        *cached = Some(token.clone());
        Ok(token)
    }
}
