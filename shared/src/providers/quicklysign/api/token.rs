//! The access token: bought with the credentials, kept, and bought anew when it is refused. Tokens expire; after how
//! long is not documented.

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{connection::Connection, envelope::Page, error::ApiError};
use url::Url;

/// The token that is in use, if there is one.
#[derive(Default)]
pub(super) struct AccessToken(Mutex<Option<SecretString>>);

impl AccessToken {
    /// `GET` with the access token; with a new one, once, when the API refuses it. Gives the token that was accepted.
    pub(super) async fn get(&self, connection: &Connection, url: &Url) -> Result<(Page, SecretString), ApiError> {
        let mut token = self.current(connection, None).await?;
        let mut answer = connection.send(Method::GET, url, Some(&token), None).await;
        if answer.as_ref().is_err_and(|error| error.status() == Some(401)) {
            token = self.current(connection, Some(&token)).await?;
            answer = connection.send(Method::GET, url, Some(&token), None).await;
        }
        Ok((answer?, token))
    }

    /// The kept token, unless it is the one that was refused; then, or when there is none, a new one:
    /// `POST /v1/access_tokens`.
    async fn current(&self, connection: &Connection, refused: Option<&SecretString>) -> Result<SecretString, ApiError> {
        // The lock is held while asking, so that concurrent orders share one token.
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref()
            && refused.is_none_or(|refused| refused.expose_secret() != token.expose_secret())
        {
            return Ok(token.clone());
        }
        *kept = None;
        if refused.is_some() {
            // The credentials themselves may have been rotated.
            connection.secrets.reread().await;
        }
        let secrets = connection.secrets.get().await.inspect_err(|problem| {
            tracing::error!(event = "not_configured", provider = "quicklysign", problem = %problem);
        })?;
        let body = json!({
            "client_id": secrets.client_id(),
            "client_secret": secrets.client_secret(),
            "api_key": secrets.api_key(),
        });
        let url = connection.endpoint("access_tokens");
        let answer = connection.send(Method::POST, &url, None, Some(&body)).await?;
        let token = answer.data.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = SecretString::from(token.ok_or(ApiError::Missing("access_token"))?);
        *kept = Some(token.clone());
        Ok(token)
    }
}
