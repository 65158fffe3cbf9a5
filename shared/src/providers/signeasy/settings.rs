//! SignEasy's own settings.

use crate::{
    domain::Provider,
    settings::{ServiceSettings, ServiceVariables},
};

const TOKEN: &str = "SIGNEASY_TOKEN";
const API_PATH: &str = "SIGNEASY_API_PATH";

/// The version of the API that Countersign speaks, as the first segment of its paths.
const DEFAULT_API_PATH: &str = "v3";

/// What settings need to know about SignEasy. Hosts of redirects are not documented, so its whole domain is allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::Signeasy,
    live_api_url: "https://api.signeasy.com",
    download_hosts: "signeasy.com,*.signeasy.com",
    options: &[TOKEN, API_PATH],
    check: |settings| parse(settings).1,
};

/// The settings that only SignEasy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SigneasySettings {
    /// `SIGNEASY_TOKEN`: `required` (the default) or `if_present`.
    pub(super) token: TokenPolicy,
    /// `SIGNEASY_API_PATH`: the path between the API's host and an endpoint, without slashes around it.
    pub(super) api_path: String,
}

/// Whether callbacks must carry the token in their metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenPolicy {
    /// All must, except `document.signed`, which never does.
    Required,
    /// None has to. A wrong one is rejected all the same.
    IfPresent,
}

impl TokenPolicy {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "required" => Some(Self::Required),
            "if_present" => Some(Self::IfPresent),
            _ => None,
        }
    }
}

/// Parses the settings that only SignEasy has, with the problems found.
pub(super) fn parse(settings: &ServiceSettings) -> (SigneasySettings, Vec<String>) {
    let mut problems = Vec::new();
    let token =
        settings.option(&mut problems, TOKEN, "required or if_present", TokenPolicy::Required, TokenPolicy::parse);
    let api_path =
        settings.option(&mut problems, API_PATH, "a path like v3", DEFAULT_API_PATH.to_owned(), parse_api_path);
    (SigneasySettings { token, api_path }, problems)
}

/// A path of plain segments, without the slashes around it.
fn parse_api_path(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    let is_plain = |segment: &str| {
        !segment.bytes().all(|byte| byte == b'.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    path.split('/').all(is_plain).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Problems;

    fn read(pairs: &[(&str, &str)]) -> Result<SigneasySettings, Problems> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        crate::providers::settings(lookup).map(|settings| parse(settings.service(Provider::Signeasy)).0)
    }

    #[test]
    fn the_token_is_required_unless_configured_otherwise() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("TEMPORARY_BUCKET", "t")];
        let settings = read(&base).unwrap();
        assert_eq!((settings.token, &*settings.api_path), (TokenPolicy::Required, "v3"));
        let settings =
            read(&[&base[..], &[("SIGNEASY_TOKEN", "if_present"), ("SIGNEASY_API_PATH", "/ext/v2.1/")]].concat())
                .unwrap();
        assert_eq!((settings.token, &*settings.api_path), (TokenPolicy::IfPresent, "ext/v2.1"));
        for wrong in [("SIGNEASY_TOKEN", "off"), ("SIGNEASY_API_PATH", "a/../b"), ("SIGNEASY_API_PATH", "v3?x=1")] {
            assert!(read(&[&base[..], &[wrong]].concat()).is_err(), "{wrong:?}");
        }
    }
}
