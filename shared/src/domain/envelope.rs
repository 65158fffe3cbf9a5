//! The parts of a request that are kept besides its body.

use std::collections::BTreeMap;

/// A longer header or query value is not a documented one, and isn't kept.
const MAX_KEPT_TEXT: usize = 4096;

/// The longest name of an event in a URL that is kept, in bytes.
const MAX_EVENT: usize = 64;

/// The parts of a request besides its body that proof and parser need.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The kept headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The value of `?event=`, or the path's segment before the token, in which a subscription's URL names the
    /// subscription.
    pub event: Option<String>,
}

impl Envelope {
    /// Keeps the headers named by `kept`, and the query's `event`. All other headers are dropped: they may hold anything.
    ///
    /// An unreadable or overlong header is kept as an empty value, so that an unreadable signature isn't mistaken for a
    /// missing one.
    #[must_use]
    pub fn of(headers: &http::HeaderMap, query: Option<&str>, kept: &[&str]) -> Self {
        let keep = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok().filter(|value| value.len() <= MAX_KEPT_TEXT);
            Some(((*name).to_owned(), value.unwrap_or_default().to_owned()))
        };
        let event = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find_map(|(name, value)| (name == "event" && value.len() <= MAX_EVENT).then(|| value.into_owned()));
        Self { headers: kept.iter().filter_map(keep).collect(), event }
    }

    /// The same with the event that the path names, if it names one.
    #[must_use]
    pub fn with_event(self, event: Option<String>) -> Self {
        Self { event: event.filter(|value| value.len() <= MAX_EVENT).or(self.event), ..self }
    }

    /// A kept header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
