//! The API credentials that the simulated services accept.

use std::collections::BTreeMap;

use countersign::domain::Provider;
use serde_json::Value;

use super::service;

/// An API secret lacks a field, or a field isn't a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}'s API secret is not of the expected shape")]
pub struct WrongShape(Provider);

/// The credentials that each service accepts, in the same JSON format as the `…_API` settings.
///
/// Doesn't implement `Debug`, because a derived one would print the secrets.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<Provider, Value>);

impl Credentials {
    /// Checks the secrets of all services. `null` stands for a service without one.
    ///
    /// # Errors
    /// When a field of a secret is missing, or isn't a text.
    pub fn new(secrets: impl IntoIterator<Item = (Provider, Value)>) -> Result<Self, WrongShape> {
        let given: BTreeMap<Provider, Value> = secrets.into_iter().filter(|(_, secret)| !secret.is_null()).collect();
        for (provider, secret) in &given {
            if !service(*provider).credential_fields().iter().all(|field| secret[field].is_string()) {
                return Err(WrongShape(*provider));
            }
        }
        Ok(Self(given))
    }

    /// A field of a service's secret; empty if the service has none.
    pub(super) fn field(&self, provider: Provider, name: &str) -> &str {
        self.0.get(&provider).and_then(|secret| secret[name].as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_of_a_given_secret_must_be_a_text() {
        let read = |secret| Credentials::new([(Provider::Legalesign, secret)]);
        let credentials = read(json!({"username": "user", "secret": "s3cret"})).unwrap();
        assert_eq!(credentials.field(Provider::Legalesign, "username"), "user");
        assert_eq!(credentials.field(Provider::Signeasy, "access_token"), "");
        assert!(read(Value::Null).is_ok());
        for wrong in [json!({"username": "user"}), json!({"username": "user", "secret": 1}), json!("s3cret")] {
            let error = read(wrong).err().unwrap();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
