//! QuicklySign's own settings.

use std::collections::BTreeSet;

use super::callback_url::CallbackUrl;
use crate::{intake::UnknownSubscription, subject::SubjectId};

/// The settings that only QuicklySign has.
#[derive(Clone, Debug, Default)]
pub struct QuicklysignSettings {
    /// `QUICKLYSIGN_DELETE_PATHS`: what DELETE calls its paths.
    pub delete_paths: DeletePaths,
    /// `QUICKLYSIGN_SUBSCRIPTIONS`: what becomes of a callback whose webhook isn't known.
    pub subscriptions: Subscriptions,
    /// `QUICKLYSIGN_WEBHOOK_KEYS`: webhooks that are ours, beside those that Countersign made.
    pub webhook_keys: BTreeSet<SubjectId>,
    /// `QUICKLYSIGN_CALLBACK_URL`: what new webhooks call, with `{token}` in the place of the path token.
    pub callback_url: Option<String>,
}

/// How the paths of DELETE are spelt. The vendor's page has `/webhook`, where every other path has `/webhooks`, and
/// nothing says whether that is a mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletePaths {
    /// `/webhook`, as documented.
    #[default]
    Singular,
    /// `/webhooks`.
    Plural,
}

impl DeletePaths {
    /// `singular` or `plural`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "singular" => Some(Self::Singular),
            "plural" => Some(Self::Plural),
            _ => None,
        }
    }

    pub(super) const fn segment(self) -> &'static str {
        match self {
            Self::Singular => "webhook",
            Self::Plural => "webhooks",
        }
    }
}

/// What becomes of a callback whose webhook isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscriptions {
    /// Its event says so.
    #[default]
    Note,
    /// It is set aside.
    Strict,
}

impl Subscriptions {
    /// `note` or `strict`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "note" => Some(Self::Note),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

impl From<Subscriptions> for UnknownSubscription {
    fn from(subscriptions: Subscriptions) -> Self {
        match subscriptions {
            Subscriptions::Note => Self::Noted,
            Subscriptions::Strict => Self::SetAside,
        }
    }
}

/// Reads a comma-separated list of webhook keys.
#[must_use]
pub fn webhook_keys(text: &str) -> Option<BTreeSet<SubjectId>> {
    text.split(',').map(|key| SubjectId::parse(key.trim()).ok()).collect()
}

/// Reads the URL that new webhooks call: one of a callback, with `{token}` once, in its path.
#[must_use]
pub fn callback_url(text: &str) -> Option<String> {
    let fits = text.matches(CallbackUrl::TOKEN).count() == 1 && text.ends_with(CallbackUrl::TOKEN);
    // Any token shows whether the rest is a URL.
    let fits = fits && CallbackUrl::parse(&text.replace(CallbackUrl::TOKEN, "any-path-token")).is_ok();
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lists_are_read_and_nothing_else() {
        assert_eq!(DeletePaths::parse("plural"), Some(DeletePaths::Plural));
        assert_eq!(Subscriptions::parse("strict"), Some(Subscriptions::Strict));
        assert_eq!((DeletePaths::parse("Plural"), Subscriptions::parse("off")), (None, None));
        assert_eq!(webhook_keys("a, b_-").map(|keys| keys.len()), Some(2));
        for wrong in ["a,,b", "a b", ","] {
            assert_eq!(webhook_keys(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_callback_url_has_a_place_for_the_token() {
        assert!(callback_url("https://x.example/callbacks/quicklysign/{token}").is_some());
        for wrong in [
            "https://x.example/callbacks/quicklysign/",
            "https://x.example/{token}/{token}",
            "https://x.example/{token}/more",
            "http://x.example/callbacks/quicklysign/{token}",
            "{token}",
        ] {
            assert_eq!(callback_url(wrong), None, "{wrong}");
        }
    }
}
