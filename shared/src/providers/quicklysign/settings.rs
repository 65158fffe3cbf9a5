//! QuicklySign's own settings.

use std::collections::BTreeSet;

use super::callback_url::CallbackUrl;
use crate::{
    domain::{Provider, SubjectId, SubscriptionPolicy},
    settings::{ServiceSettings, ServiceVariables},
};

const DELETE_PATHS: &str = "QUICKLYSIGN_DELETE_PATHS";
const SUBSCRIPTIONS: &str = "QUICKLYSIGN_SUBSCRIPTIONS";
const WEBHOOK_KEYS: &str = "QUICKLYSIGN_WEBHOOK_KEYS";
const CALLBACK_URL: &str = "QUICKLYSIGN_CALLBACK_URL";

/// What settings need to know about QuicklySign. Hosts of `serve_pdf_url` are not documented, so its whole domain is
/// allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::Quicklysign,
    live_api_url: "https://api.quicklysign.com",
    download_hosts: "quicklysign.com,*.quicklysign.com",
    options: &[DELETE_PATHS, SUBSCRIPTIONS, WEBHOOK_KEYS, CALLBACK_URL],
    check: |settings| parse(settings).1,
};

/// The settings that only QuicklySign has.
#[derive(Clone, Debug, Default)]
pub struct QuicklysignSettings {
    /// `QUICKLYSIGN_DELETE_PATHS`: the spelling of the paths of DELETE.
    pub delete_paths: DeletePaths,
    /// `QUICKLYSIGN_SUBSCRIPTIONS`: what happens to a callback whose webhook isn't known.
    pub subscriptions: SubscriptionPolicy,
    /// `QUICKLYSIGN_WEBHOOK_KEYS`: webhooks that are ours, besides those that Countersign made.
    pub webhook_keys: BTreeSet<SubjectId>,
    /// `QUICKLYSIGN_CALLBACK_URL`: the URL of new webhooks, with `{token}` in place of the path token.
    pub callback_url: Option<String>,
}

/// The spelling of the paths of DELETE. The vendor's page has `/webhook`, while every other path has `/webhooks`, and
/// nothing shows whether that is a mistake.
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

/// Parses the settings that only QuicklySign has, with the problems found.
#[must_use]
pub fn parse(settings: &ServiceSettings) -> (QuicklysignSettings, Vec<String>) {
    let mut problems = Vec::new();
    let delete_paths =
        settings.option(&mut problems, DELETE_PATHS, "singular or plural", DeletePaths::default(), DeletePaths::parse);
    let subscriptions =
        settings.option(&mut problems, SUBSCRIPTIONS, "note or strict", SubscriptionPolicy::Note, |text| match text {
            "note" => Some(SubscriptionPolicy::Note),
            "strict" => Some(SubscriptionPolicy::SetAside),
            _ => None,
        });
    let webhook_keys =
        settings.option(&mut problems, WEBHOOK_KEYS, "keys, separated by commas", BTreeSet::new(), webhook_keys);
    let callback_url =
        settings.option(&mut problems, CALLBACK_URL, "https://<host>/callbacks/quicklysign/{token}", None, |text| {
            callback_url(text).map(Some)
        });
    (QuicklysignSettings { delete_paths, subscriptions, webhook_keys, callback_url }, problems)
}

/// Parses a comma-separated list of webhook keys.
fn webhook_keys(text: &str) -> Option<BTreeSet<SubjectId>> {
    text.split(',').map(|key| SubjectId::parse(key.trim()).ok()).collect()
}

/// Parses the URL of new webhooks: a callback URL that ends in `{token}`.
fn callback_url(text: &str) -> Option<String> {
    let fits = text.matches(CallbackUrl::TOKEN).count() == 1 && text.ends_with(CallbackUrl::TOKEN);
    // Any token shows whether the rest is a URL.
    let fits = fits && CallbackUrl::parse(&text.replace(CallbackUrl::TOKEN, "any-path-token")).is_ok();
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Problems;

    fn read(pairs: &[(&str, &str)]) -> Result<QuicklysignSettings, Problems> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        crate::providers::settings(lookup).map(|settings| parse(settings.service(Provider::Quicklysign)).0)
    }

    #[test]
    fn own_settings_have_defaults_and_are_checked() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("TEMPORARY_BUCKET", "t")];
        let settings = read(&base).unwrap();
        assert_eq!((settings.delete_paths, settings.subscriptions), (DeletePaths::Singular, SubscriptionPolicy::Note));
        assert!(settings.webhook_keys.is_empty() && settings.callback_url.is_none());
        let own = [("QUICKLYSIGN_SUBSCRIPTIONS", "strict"), ("QUICKLYSIGN_WEBHOOK_KEYS", "a,b")];
        let settings = read(&[&base[..], &own].concat()).unwrap();
        assert_eq!((settings.subscriptions, settings.webhook_keys.len()), (SubscriptionPolicy::SetAside, 2));
        for wrong in [
            ("QUICKLYSIGN_DELETE_PATHS", "both"),
            ("QUICKLYSIGN_SUBSCRIPTIONS", "off"),
            ("QUICKLYSIGN_WEBHOOK_KEYS", "a b"),
            ("QUICKLYSIGN_CALLBACK_URL", "https://x.example/a-path-token"),
        ] {
            let problems = read(&[&base[..], &[wrong]].concat()).err().unwrap();
            assert!(problems.to_string().starts_with(wrong.0) && !problems.to_string().contains(wrong.1), "{problems}");
        }
    }

    #[test]
    fn only_documented_words_and_lists_are_accepted() {
        assert_eq!(DeletePaths::parse("plural"), Some(DeletePaths::Plural));
        assert_eq!(DeletePaths::parse("Plural"), None);
        assert_eq!(webhook_keys("a, b_-").map(|keys| keys.len()), Some(2));
        for wrong in ["a,,b", "a b", ","] {
            assert_eq!(webhook_keys(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_callback_url_ends_with_the_token_placeholder() {
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
