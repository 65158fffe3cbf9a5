//! Settings from environment variables. All that is wrong is said at once, not only the first thing.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use crate::{
    outbound::HostPatterns,
    provider::Provider,
    providers::quicklysign::options::{self, DeletePaths, QuicklysignSettings, Subscriptions},
};

/// Lambda takes an event of at most 6 MiB, in which a form's body is base64: 4.5 MB decoded is where that ends.
const MAX_BODY_BYTES: usize = 4_500_000;

/// The live hosts of the services' APIs, and the domains that final documents are taken from when nothing else is
/// said. (Hosts of `serve_pdf_url` and of redirects are not documented.)
const LIVE: [(Provider, &str, &str); 3] = [
    (Provider::Legalesign, "https://eu-api.legalesign.com/api/v1", "legalesign.com,*.legalesign.com"),
    (Provider::Quicklysign, "https://api.quicklysign.com", "quicklysign.com,*.quicklysign.com"),
    (Provider::Signeasy, "https://api.signeasy.com", "signeasy.com,*.signeasy.com"),
];

/// Where a secret is read from.
#[derive(Clone)]
pub enum SecretSource {
    /// In place, for local use and tests.
    Inline(SecretString),
    /// In Secrets Manager, under this name or ARN.
    SecretsManager(String),
    /// Nobody said where; the variables that would are named.
    Missing(String),
}

/// One provider's settings.
#[derive(Clone)]
pub struct ProviderSettings {
    /// Where its API is, without a slash at the end.
    pub api_url: Url,
    /// What proves its callbacks (inbound).
    pub proof: SecretSource,
    /// With what its API is asked (outbound).
    pub api: SecretSource,
}

/// Whether SignEasy's callbacks must carry the token in their metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPolicy {
    /// All must, but for `document.signed`, which never does.
    Required,
    /// None has to; a wrong one is refused all the same.
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

/// The version of SignEasy's API that Countersign speaks, as the first segment of its paths.
const SIGNEASY_API_PATH: &str = "v3";

/// All settings.
#[derive(Clone)]
pub struct Settings {
    /// `TABLE_NAME`
    pub table: String,
    /// `ARCHIVE_BUCKET`
    pub bucket: String,
    /// `MAX_BODY_BYTES`: the largest body that is taken, decoded.
    pub max_body_bytes: usize,
    /// `DOWNLOAD_HOSTS`: where final documents may be downloaded from.
    pub download_hosts: HostPatterns,
    /// `ALLOW_INSECURE_DOWNLOADS`: plain HTTP and loopback, for the local stack and tests only.
    pub allow_insecure: bool,
    /// `LEGALESIGN_REALTIME_PROOF`: whether a realtime callback of Legalesign must be signed (`signature`), or the path
    /// token is enough for one without a signature (`token`).
    pub legalesign_realtime_signed: bool,
    /// `SIGNEASY_TOKEN`: `required` (the default) or `if_present`.
    pub signeasy_token: TokenPolicy,
    /// `SIGNEASY_API_PATH`: what stands between the API's host and an endpoint, without slashes around it.
    pub signeasy_api_path: String,
    /// QuicklySign's own.
    pub quicklysign: QuicklysignSettings,
    providers: [ProviderSettings; 3],
}

impl Settings {
    /// Reads the settings; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// All that is missing or wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut reader =
            Reader { lookup: |name: &str| lookup(name).filter(|value| !value.is_empty()), problems: Vec::new() };
        let table = reader.required("TABLE_NAME");
        let bucket = reader.required("ARCHIVE_BUCKET");
        let max_body_bytes =
            reader.parsed("MAX_BODY_BYTES", "a number of bytes", MAX_BODY_BYTES, |text| text.parse().ok());
        let allow_insecure =
            reader.parsed("ALLOW_INSECURE_DOWNLOADS", "true or false", false, |text| text.parse().ok());
        let legalesign_realtime_signed =
            reader.parsed("LEGALESIGN_REALTIME_PROOF", "token or signature", false, |text| match text {
                "signature" => Some(true),
                "token" => Some(false),
                _ => None,
            });
        let signeasy_token =
            reader.parsed("SIGNEASY_TOKEN", "required or if_present", TokenPolicy::Required, TokenPolicy::parse);
        let signeasy_api_path =
            reader.parsed("SIGNEASY_API_PATH", "a path like v3", SIGNEASY_API_PATH.to_owned(), api_path);
        let quicklysign = reader.quicklysign();
        let providers = LIVE.map(|(provider, url, _)| reader.provider(provider, url));
        // The live domains, and the APIs' own hosts where others are set.
        let own_hosts = || {
            let apis = providers.iter().flatten().filter_map(|provider| provider.api_url.host_str());
            LIVE.iter().map(|(_, _, domain)| *domain).chain(apis).collect::<Vec<_>>().join(",")
        };
        let hosts = (reader.lookup)("DOWNLOAD_HOSTS").unwrap_or_else(own_hosts);
        let download_hosts = match HostPatterns::parse(&hosts) {
            Ok(patterns) => patterns,
            Err(error) => {
                reader.problems.push(format!("DOWNLOAD_HOSTS: {error}"));
                HostPatterns::default()
            }
        };
        if !reader.problems.is_empty() {
            return Err(Problems(reader.problems));
        }
        let providers = providers.into_iter().flatten().collect::<Vec<_>>();
        let Ok(providers) = <[ProviderSettings; 3]>::try_from(providers) else {
            return Err(Problems(vec!["an API URL is wrong".to_owned()]));
        };
        Ok(Self {
            table,
            bucket,
            max_body_bytes,
            download_hosts,
            allow_insecure,
            legalesign_realtime_signed,
            signeasy_token,
            signeasy_api_path,
            quicklysign,
            providers,
        })
    }

    /// Reads the settings from the process's environment.
    ///
    /// # Errors
    /// All that is missing or wrong.
    pub fn from_env() -> Result<Self, Problems> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Replaces what proves a provider's callbacks.
    pub fn set_proof(&mut self, provider: Provider, proof: SecretSource) {
        self.providers[provider as usize].proof = proof;
    }

    /// Replaces with what a provider's API is asked.
    pub fn set_api(&mut self, provider: Provider, api: SecretSource) {
        self.providers[provider as usize].api = api;
    }

    /// One provider's settings.
    #[must_use]
    pub const fn provider(&self, provider: Provider) -> &ProviderSettings {
        let [legalesign, quicklysign, signeasy] = &self.providers;
        match provider {
            Provider::Legalesign => legalesign,
            Provider::Quicklysign => quicklysign,
            Provider::Signeasy => signeasy,
        }
    }
}

/// A path of plain segments, without the slashes around it.
fn api_path(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    let plain = |segment: &str| {
        !segment.bytes().all(|byte| byte == b'.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    path.split('/').all(plain).then(|| path.to_owned())
}

/// All that is wrong with the settings. Names variables, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Problems {}

struct Reader<F> {
    lookup: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn required(&mut self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    fn parsed<T>(&mut self, name: &str, expected: &str, default: T, parse: impl Fn(&str) -> Option<T>) -> T {
        let Some(text) = (self.lookup)(name) else { return default };
        parse(&text).unwrap_or_else(|| {
            self.problems.push(format!("{name} must be {expected}"));
            default
        })
    }

    fn quicklysign(&mut self) -> QuicklysignSettings {
        let mut own = QuicklysignSettings::default();
        let (paths, unknown) = ("singular or plural", "note or strict");
        own.delete_paths = self.parsed("QUICKLYSIGN_DELETE_PATHS", paths, own.delete_paths, DeletePaths::parse);
        own.subscriptions = self.parsed("QUICKLYSIGN_SUBSCRIPTIONS", unknown, own.subscriptions, Subscriptions::parse);
        let keys = "keys, separated by commas";
        own.webhook_keys = self.parsed("QUICKLYSIGN_WEBHOOK_KEYS", keys, own.webhook_keys, options::webhook_keys);
        let url = "https://<host>/callbacks/quicklysign/{token}";
        own.callback_url =
            self.parsed("QUICKLYSIGN_CALLBACK_URL", url, None, |text| options::callback_url(text).map(Some));
        own
    }

    fn provider(&mut self, provider: Provider, live_url: &str) -> Option<ProviderSettings> {
        let prefix = provider.as_str().to_ascii_uppercase();
        let name = format!("{prefix}_API_URL");
        let text = (self.lookup)(&name).unwrap_or_else(|| live_url.to_owned());
        let is_base = |url: &Url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none();
        let url = Url::parse(text.trim_end_matches('/')).ok().filter(is_base);
        if url.is_none() {
            self.problems.push(format!("{name} must be a URL like {live_url}"));
        }
        Some(ProviderSettings {
            api_url: url?,
            proof: self.secret(&format!("{prefix}_PROOF")),
            api: self.secret(&format!("{prefix}_API")),
        })
    }

    fn secret(&self, name: &str) -> SecretSource {
        let by_id = format!("{name}_SECRET_ID");
        match ((self.lookup)(name), (self.lookup)(&by_id)) {
            (Some(json), _) => SecretSource::Inline(json.into()),
            (None, Some(id)) => SecretSource::SecretsManager(id),
            (None, None) => SecretSource::Missing(format!("{by_id} or {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Problems> {
        Settings::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn live_hosts_and_the_gateway_s_limit_are_the_defaults() {
        let settings = read(&[("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b")]).unwrap();
        assert_eq!(settings.max_body_bytes, 4_500_000);
        assert_eq!(settings.provider(Provider::Quicklysign).api_url.as_str(), "https://api.quicklysign.com/");
        assert!(!settings.allow_insecure);
        assert!(matches!(&settings.provider(Provider::Signeasy).proof, SecretSource::Missing(_)));
    }

    #[test]
    fn all_that_is_wrong_is_said_and_no_value_is_repeated() {
        let problems = read(&[
            ("ARCHIVE_BUCKET", ""),
            ("MAX_BODY_BYTES", "plenty"),
            ("ALLOW_INSECURE_DOWNLOADS", "perhaps"),
            ("QUICKLYSIGN_API_URL", "ftp://secret@example"),
        ])
        .err()
        .unwrap();
        assert_eq!(problems.0.len(), 5, "{problems}");
        for value in ["plenty", "perhaps", "secret"] {
            assert!(!problems.to_string().contains(value), "{problems}");
        }
    }

    #[test]
    fn signeasy_s_token_is_required_unless_it_is_said_otherwise() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b")];
        let settings = read(&base).unwrap();
        assert_eq!((settings.signeasy_token, &*settings.signeasy_api_path), (TokenPolicy::Required, "v3"));
        let settings =
            read(&[&base[..], &[("SIGNEASY_TOKEN", "if_present"), ("SIGNEASY_API_PATH", "/ext/v2.1/")]].concat())
                .unwrap();
        assert_eq!((settings.signeasy_token, &*settings.signeasy_api_path), (TokenPolicy::IfPresent, "ext/v2.1"));
        for wrong in [("SIGNEASY_TOKEN", "off"), ("SIGNEASY_API_PATH", "a/../b"), ("SIGNEASY_API_PATH", "v3?x=1")] {
            assert!(read(&[&base[..], &[wrong]].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn quicklysign_s_own_settings_have_defaults_and_are_checked() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b")];
        let settings = read(&base).unwrap().quicklysign;
        assert_eq!((settings.delete_paths, settings.subscriptions), (DeletePaths::Singular, Subscriptions::Note));
        assert!(settings.webhook_keys.is_empty() && settings.callback_url.is_none());
        let own = [("QUICKLYSIGN_SUBSCRIPTIONS", "strict"), ("QUICKLYSIGN_WEBHOOK_KEYS", "a,b")];
        let settings = read(&[&base[..], &own].concat()).unwrap().quicklysign;
        assert_eq!((settings.subscriptions, settings.webhook_keys.len()), (Subscriptions::Strict, 2));
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
    fn a_secret_in_place_goes_before_one_in_secrets_manager() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("SIGNEASY_API_SECRET_ID", "id")];
        let settings = read(&base).unwrap();
        assert!(matches!(&settings.provider(Provider::Signeasy).api, SecretSource::SecretsManager(id) if id == "id"));
        let settings = read(&[&base[..], &[("SIGNEASY_API", "{}")]].concat()).unwrap();
        assert!(matches!(&settings.provider(Provider::Signeasy).api, SecretSource::Inline(_)));
    }
}
