//! The URL that a webhook calls. It ends with a secret path token, so it is only shown redacted.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use url::{Host, Url};

use super::redact;

/// Maximum length of a callback URL, in bytes. API Gateway's limit for a request line with its headers is 10 KB, and no
/// callback URL is nearly as long.
const MAX_LENGTH: usize = 2048;

/// A callback URL. `Display`, `Debug` and `Serialize` show it redacted.
#[derive(Clone)]
pub struct CallbackUrl {
    url: SecretString,
    redacted: String,
}

/// The text isn't a callback URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a callback URL must be https:// (or http:// on loopback), without a user or a fragment, at most {MAX_LENGTH} characters"
)]
pub struct InvalidCallbackUrl;

impl CallbackUrl {
    /// The place of the path token in a template.
    pub const TOKEN: &str = "{token}";

    /// Parses a callback URL.
    ///
    /// # Errors
    /// If it isn't HTTPS: the token in it would travel in clear text. Loopback may be HTTP, for a local stack.
    pub fn parse(text: &str) -> Result<Self, InvalidCallbackUrl> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_LENGTH).ok_or(InvalidCallbackUrl)?;
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(InvalidCallbackUrl),
        };
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if scheme && plain { Ok(Self::of_api(url.as_str())) } else { Err(InvalidCallbackUrl) }
    }

    /// Parses a template, after replacing `{token}`, if it has one, by `token`.
    ///
    /// # Errors
    /// As [`CallbackUrl::parse`].
    pub fn with_token(template: &str, token: &SecretString) -> Result<Self, InvalidCallbackUrl> {
        let encoded: String = url::form_urlencoded::byte_serialize(token.expose_secret().as_bytes())
            .collect::<String>()
            .replace('+', "%20");
        Self::parse(&template.replace(Self::TOKEN, &encoded))
    }

    /// A URL that the API reports. Any text is accepted.
    pub(super) fn of_api(text: &str) -> Self {
        Self { redacted: redact::url(text), url: text.into() }
    }

    /// The URL with its token, for requests to the API only.
    pub(super) fn exposed(&self) -> &str {
        self.url.expose_secret()
    }

    /// Whether it is the same URL, including the token.
    pub(super) fn is(&self, other: &Self) -> bool {
        let parsed = |url: &Self| Url::parse(url.exposed()).ok();
        parsed(self).is_some() && parsed(self) == parsed(other)
    }

    /// Whether it is the same route of the same stack with another token, one from before a rotation.
    pub(super) fn is_with_another_token(&self, other: &Self) -> bool {
        let up_to_token = |url: &Self| {
            let mut url = Url::parse(url.exposed()).ok()?;
            let fixed = url.path().rfind('/').map(|end| url.path()[..=end].to_owned())?;
            url.set_path(&fixed);
            Some(url).filter(|url| url.path().ends_with(redact::our_path()))
        };
        let fixed = up_to_token(self);
        fixed.is_some() && fixed == up_to_token(other) && !self.is(other)
    }
}

impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.redacted)
    }
}

impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({})", self.redacted)
    }
}

impl Serialize for CallbackUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://x.example/callbacks/quicklysign/the-path-token";

    #[test]
    fn a_callback_url_is_https_and_shown_redacted() {
        let url = CallbackUrl::parse(OURS).unwrap();
        for shown in [url.to_string(), format!("{url:?}"), serde_json::to_string(&url).unwrap()] {
            assert!(shown.contains("https://x.example/callbacks/quicklysign/***"), "{shown}");
            assert!(!shown.contains("the-path-token"), "{shown}");
        }
        assert_eq!(url.exposed(), OURS);
        assert!(CallbackUrl::parse("http://127.0.0.1:3000/callbacks/quicklysign/t").is_ok());
        for wrong in [
            "",
            "x.example/callbacks/quicklysign/t",
            "http://x.example/callbacks/quicklysign/t",
            "ftp://x.example/",
            "https://user@x.example/t",
            "https://x.example/t#f",
            "mailto:x@x.example",
            &format!("https://x.example/{}", "t".repeat(MAX_LENGTH)),
        ] {
            assert_eq!(CallbackUrl::parse(wrong).err(), Some(InvalidCallbackUrl), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_percent_encoded() {
        let template = "https://x.example/callbacks/quicklysign/{token}";
        let url = |token: &str| CallbackUrl::with_token(template, &token.into()).unwrap().exposed().to_owned();
        assert_eq!(url("plain-Token_1"), "https://x.example/callbacks/quicklysign/plain-Token_1");
        assert_eq!(url("a/b?c d"), "https://x.example/callbacks/quicklysign/a%2Fb%3Fc%20d");
        assert_eq!(CallbackUrl::with_token(OURS, &"unused".into()).unwrap().exposed(), OURS);
    }

    #[test]
    fn the_same_route_with_another_token_is_recognized() {
        let ours = CallbackUrl::parse(OURS).unwrap();
        let other = |text: &str| CallbackUrl::of_api(text);
        assert!(ours.is(&other(OURS)) && !ours.is_with_another_token(&other(OURS)));
        assert!(ours.is_with_another_token(&other("https://x.example/callbacks/quicklysign/before")));
        for elsewhere in [
            "https://y.example/callbacks/quicklysign/before",
            "https://x.example/callbacks/signeasy/before",
            "https://x.example/callbacks/quicklysign/before?x=1",
            "https://x.example/callbacks/quicklysign/deeper/before",
            "https://x.example/stage/callbacks/quicklysign/before",
            "not a url",
            "",
        ] {
            assert!(!ours.is(&other(elsewhere)) && !ours.is_with_another_token(&other(elsewhere)), "{elsewhere}");
        }
        let foreign = other("https://x.example/a");
        assert!(!foreign.is_with_another_token(&other("https://x.example/b")), "not our route");
        assert!(!other("?").is(&other("?")), "an invalid URL equals no other");
    }
}
