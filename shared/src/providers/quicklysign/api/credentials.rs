//! The API's credentials: `{"client_id", "client_secret", "api_key"}`.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::secrets::Secret;

/// The API's credentials. Webhook endpoints take the client's id and secret. A request for an access token takes these two
/// and the API key of the user on whose behalf the client acts.
#[derive(Deserialize)]
pub struct ApiSecrets {
    client_id: SecretString,
    client_secret: SecretString,
    api_key: SecretString,
}

impl ApiSecrets {
    pub(in crate::providers::quicklysign) fn client_id(&self) -> &str {
        self.client_id.expose_secret()
    }

    pub(in crate::providers::quicklysign) fn client_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }

    pub(super) fn api_key(&self) -> &str {
        self.api_key.expose_secret()
    }
}

impl Secret for ApiSecrets {
    type Json = Self;

    fn from_json(json: Self) -> Result<Self, String> {
        let given =
            [("client_id", json.client_id()), ("client_secret", json.client_secret()), ("api_key", json.api_key())];
        let empty = given.into_iter().find(|(_, value)| value.is_empty()).map(|(name, _)| name);
        empty.map_or(Ok(json), |name| Err(format!("{name} is empty")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secrets::Cached, settings::SecretSource};

    #[tokio::test]
    async fn a_missing_or_empty_credential_is_rejected() {
        let read = async |json: &str| {
            let secrets = Cached::<ApiSecrets>::without_client(SecretSource::Inline(json.into()));
            secrets.get().await.map(drop).map_err(|problem| problem.to_string())
        };
        assert_eq!(read(r#"{"client_id":"a","client_secret":"b","api_key":"c"}"#).await, Ok(()));
        let empty = read(r#"{"client_id":"a","client_secret":"","api_key":"c"}"#).await;
        assert_eq!(empty, Err("client_secret is empty".to_owned()));
        assert!(read(r#"{"client_id":"a","client_secret":"b"}"#).await.is_err());
    }
}
