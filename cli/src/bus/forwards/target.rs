//! A URL to which events are posted.

use aws_lc_rs::digest;
use countersign::outbound::{AddressRule, UrlPolicy};
use url::Url;

/// A URL to which events are posted. Its path and query may be a secret, as with chat services, so only [`label`] is shown
/// or stored.
///
/// [`label`]: Self::label
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    label: String,
    key: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Target({})", self.label)
    }
}

/// A text that isn't the URL of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL to forward to: {0}")]
pub struct InvalidTarget(String);

impl std::str::FromStr for Target {
    type Err = InvalidTarget;

    /// Accepts `http` and `https` URLs of public, private and loopback addresses, without a user name.
    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let (_, url) = policy(text).map_err(|reason| InvalidTarget(reason.to_string()))?;
        Ok(Self { label: label(&url), key: key(url.as_str()), url: url.into() })
    }
}

impl Target {
    /// The URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The policy for a client of this URL only.
    pub(super) fn policy(&self) -> Option<UrlPolicy> {
        Some(policy(&self.url).ok()?.0)
    }

    /// The URL without its path and query, to show and to store.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The SHA-256 of the URL, under which its progress is stored.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

fn policy(url: &str) -> Result<(UrlPolicy, Url), countersign::outbound::Refused> {
    UrlPolicy::only_host_of(url, AddressRule::PublicOrPrivate)
}

fn label(url: &Url) -> String {
    let has_more = url.path() != "/" || url.query().is_some();
    format!("{}{}", url.origin().ascii_serialization(), if has_more { "/…" } else { "" })
}

fn key(url: &str) -> String {
    let hash = digest::digest(&digest::SHA256, url.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_of_a_target_are_never_shown() {
        let target: Target = "https://hooks.example.com/services/T0/B0/s3cret?key=s3cret".parse().unwrap();
        assert_eq!(target.label(), "https://hooks.example.com/…");
        assert!(!format!("{target:?}").contains("s3cret"));
        assert_eq!("http://127.0.0.1:9".parse::<Target>().unwrap().label(), "http://127.0.0.1:9");
    }

    #[test]
    fn only_http_urls_without_a_user_name_are_targets() {
        for text in ["http://localhost:8080/x", "http://192.168.1.2/", "https://example.com/a?b=c"] {
            assert!(text.parse::<Target>().is_ok(), "{text}");
        }
        for text in ["", "example.com", "ftp://example.com", "http://user:s3cret@example.com", "http://169.254.1.1/"] {
            let problem = text.parse::<Target>().unwrap_err().to_string();
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}
