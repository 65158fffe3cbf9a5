//! Settings from environment variables. Every problem is reported at once, not only the first one.
//!
//! What a service needs beyond its URL and secrets is read here as text and parsed in the service's folder
//! ([`ServiceSettings::option`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use secrecy::SecretString;
use url::Url;

use crate::{
    aws::StorageNames,
    domain::Provider,
    outbound::{AddressRule, HostPatterns},
};

/// Lambda accepts an event of at most 6 MiB, in which a form's body is base64: 4.5 MB decoded is the limit.
const MAX_BODY_BYTES: usize = 4_500_000;

/// Where a secret is read from.
#[derive(Clone)]
pub enum SecretSource {
    /// The secret itself, for local use and tests.
    Inline(SecretString),
    /// Its name or ARN in Secrets Manager.
    SecretsManager(String),
    /// Not configured; names the variables to set.
    Missing(String),
}

/// What settings need to know about a service.
#[derive(Clone, Copy)]
pub struct ServiceVariables {
    /// Which service it is. Its variables begin with its name in upper case.
    pub provider: Provider,
    /// The URL of its live API.
    pub live_api_url: &'static str,
    /// The domains that its final documents are downloaded from by default, separated by commas.
    pub download_hosts: &'static str,
    /// Its own variables, besides `…_API_URL`, `…_PROOF` and `…_API`. Their values are never secret.
    pub options: &'static [&'static str],
    /// Parses its own variables, and says what is wrong with them. Names variables, never values.
    pub check: fn(&ServiceSettings) -> Vec<String>,
}

/// One service's settings.
#[derive(Clone)]
pub struct ServiceSettings {
    /// Its API's base URL, without a slash at the end.
    pub api_url: Url,
    /// The secret that proves its callbacks (inbound).
    pub proof: SecretSource,
    /// The credentials for its API (outbound).
    pub api: SecretSource,
    options: BTreeMap<&'static str, String>,
}

impl ServiceSettings {
    /// Parses one of the service's own variables; `default` if it isn't set. `parse` returns `None` for a wrong value, and
    /// then `problems` gets a line that names the variable and what it must be.
    pub fn option<T>(
        &self,
        problems: &mut Vec<String>,
        name: &str,
        expected: &str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.options.get(name) else { return default };
        parse(text).unwrap_or_else(|| {
            problems.push(format!("{name} must be {expected}"));
            default
        })
    }

    /// The service's own variables that are set, by name.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.options.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// All settings.
#[derive(Clone)]
pub struct Settings {
    /// `PROVIDERS`: the services in use. Callbacks of others are answered 404, and their APIs aren't queried.
    pub providers: BTreeSet<Provider>,
    /// `TABLE_NAME`
    pub table: String,
    /// `ARCHIVE_BUCKET`
    pub bucket: String,
    /// `TEMPORARY_BUCKET`
    pub temporary_bucket: String,
    /// `EVENT_BUS`: name or ARN of the event bus that `publish` puts events on.
    pub event_bus: Option<String>,
    /// `EVENT_FILE_NAMES`: whether events name their PDFs' files. Such a name may be personal data.
    pub event_file_names: bool,
    /// `MAX_BODY_BYTES`: the largest accepted body, decoded.
    pub max_body_bytes: usize,
    /// `DOWNLOAD_HOSTS`: hosts that final documents may be downloaded from.
    pub download_hosts: HostPatterns,
    /// `PDF_TRUST_ROOTS`: the roots, in PEM, that certificates of signatures within PDFs should lead to. Without it, that
    /// isn't judged. Spaces may stand for line breaks.
    pub pdf_trust_roots: Option<String>,
    /// `ALLOW_INSECURE_DOWNLOADS`: plain HTTP, and loopback (`true`) or private networks as well (`private`). Only for
    /// the local stack, tests, and functions in containers on a developer's machine.
    pub allow_insecure: AddressRule,
    services: Vec<ServiceSettings>,
}

impl Settings {
    /// Reads the settings; `lookup` returns a variable's value. `services` are in the order of [`Provider::ALL`].
    ///
    /// # Errors
    /// Everything that is missing or wrong.
    pub fn read(
        services: &[ServiceVariables; Provider::ALL.len()],
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let mut reader =
            Reader { lookup: |name: &str| lookup(name).filter(|value| !value.is_empty()), problems: Vec::new() };
        let providers = reader.parsed("PROVIDERS", "names of services, separated by commas", all(), providers);
        let table = reader.required("TABLE_NAME");
        let bucket = reader.required("ARCHIVE_BUCKET");
        let temporary_bucket = reader.required("TEMPORARY_BUCKET");
        let event_bus = (reader.lookup)("EVENT_BUS");
        let event_file_names = reader.parsed("EVENT_FILE_NAMES", "true or false", false, |text| text.parse().ok());
        let max_body_bytes =
            reader.parsed("MAX_BODY_BYTES", "a number of bytes", MAX_BODY_BYTES, |text| text.parse().ok());
        let allow_insecure = reader.parsed(
            "ALLOW_INSECURE_DOWNLOADS",
            "true, false or private",
            AddressRule::Public,
            |text| match text {
                "private" => Some(AddressRule::PublicOrPrivate),
                text => text.parse::<bool>().ok().map(AddressRule::from),
            },
        );
        let pdf_trust_roots = reader.parsed("PDF_TRUST_ROOTS", "one or more certificates in PEM", None, |text| {
            text.contains("-----BEGIN CERTIFICATE-----").then(|| Some(text.to_owned()))
        });
        let read: Vec<ServiceSettings> = services.iter().filter_map(|service| reader.service(service)).collect();
        // The live domains, and the hosts of APIs that are configured.
        let default_hosts = || {
            let apis = read.iter().filter_map(|service| service.api_url.host_str());
            services.iter().map(|service| service.download_hosts).chain(apis).collect::<Vec<_>>().join(",")
        };
        let hosts = (reader.lookup)("DOWNLOAD_HOSTS").unwrap_or_else(default_hosts);
        let download_hosts = HostPatterns::parse(&hosts).unwrap_or_else(|error| {
            reader.problems.push(format!("DOWNLOAD_HOSTS: {error}"));
            HostPatterns::default()
        });
        if !reader.problems.is_empty() {
            return Err(Problems(reader.problems));
        }
        Ok(Self {
            providers,
            table,
            bucket,
            temporary_bucket,
            event_bus,
            event_file_names,
            max_body_bytes,
            download_hosts,
            pdf_trust_roots,
            allow_insecure,
            services: read,
        })
    }

    /// Settings of which nothing is set: no table, no bucket, no secrets, live APIs.
    #[must_use]
    pub fn unset(services: &[ServiceVariables; Provider::ALL.len()]) -> Self {
        let mut reader = Reader { lookup: |_: &str| None, problems: Vec::new() };
        Self {
            providers: all(),
            table: String::new(),
            bucket: String::new(),
            temporary_bucket: String::new(),
            event_bus: None,
            event_file_names: false,
            max_body_bytes: MAX_BODY_BYTES,
            download_hosts: HostPatterns::default(),
            pdf_trust_roots: None,
            allow_insecure: AddressRule::Public,
            services: services.iter().filter_map(|service| reader.service(service)).collect(),
        }
    }

    /// The names of the table and the buckets.
    #[must_use]
    pub const fn storage(&self) -> StorageNames<'_> {
        StorageNames {
            table: self.table.as_str(),
            archive: self.bucket.as_str(),
            temporary: self.temporary_bucket.as_str(),
        }
    }

    /// Replaces the secret that proves a provider's callbacks.
    pub fn set_proof(&mut self, provider: Provider, proof: SecretSource) {
        self.services[provider as usize].proof = proof;
    }

    /// Replaces a provider's API credentials.
    pub fn set_api(&mut self, provider: Provider, api: SecretSource) {
        self.services[provider as usize].api = api;
    }

    /// Sets or unsets one of a service's own variables. Its value isn't checked here.
    pub fn set_option(&mut self, provider: Provider, name: &'static str, value: Option<String>) {
        let options = &mut self.services[provider as usize].options;
        match value {
            Some(value) => options.insert(name, value),
            None => options.remove(name),
        };
    }

    /// One service's settings.
    #[must_use]
    pub fn service(&self, provider: Provider) -> &ServiceSettings {
        &self.services[provider as usize]
    }
}

fn all() -> BTreeSet<Provider> {
    Provider::ALL.into_iter().collect()
}

/// Parses a list of services. `None` if there is another name in it.
fn providers(list: &str) -> Option<BTreeSet<Provider>> {
    let parse = |name: &str| Provider::ALL.into_iter().find(|provider| provider.as_str() == name.trim());
    list.split(',').map(parse).collect()
}

/// Everything that is wrong with the settings. Names variables, never values.
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

    /// One service's settings; `None` if its API's URL is wrong.
    fn service(&mut self, service: &ServiceVariables) -> Option<ServiceSettings> {
        let name = service.provider.variable("API_URL");
        let text = (self.lookup)(&name).unwrap_or_else(|| service.live_api_url.to_owned());
        let is_base = |url: &Url| matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none();
        let url = Url::parse(text.trim_end_matches('/')).ok().filter(is_base);
        if url.is_none() {
            self.problems.push(format!("{name} must be a URL like {}", service.live_api_url));
        }
        let options = service.options.iter().filter_map(|name| Some((*name, (self.lookup)(name)?))).collect();
        let settings = ServiceSettings {
            api_url: url?,
            proof: self.secret(&service.provider.variable("PROOF")),
            api: self.secret(&service.provider.variable("API")),
            options,
        };
        self.problems.extend((service.check)(&settings));
        Some(settings)
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
        crate::providers::settings(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn defaults_are_the_live_hosts_and_the_gateway_limit() {
        let settings = read(&[("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("TEMPORARY_BUCKET", "t")]).unwrap();
        assert_eq!(settings.max_body_bytes, 4_500_000);
        assert_eq!(settings.service(Provider::Quicklysign).api_url.as_str(), "https://api.quicklysign.com/");
        assert_eq!(settings.allow_insecure, AddressRule::Public);
        assert!(matches!(&settings.service(Provider::Signeasy).proof, SecretSource::Missing(_)));
    }

    #[test]
    fn every_problem_is_reported_and_no_value_is_repeated() {
        let problems = read(&[
            ("ARCHIVE_BUCKET", ""),
            ("MAX_BODY_BYTES", "plenty"),
            ("ALLOW_INSECURE_DOWNLOADS", "perhaps"),
            ("QUICKLYSIGN_API_URL", "ftp://secret@example"),
            ("PDF_TRUST_ROOTS", "roots.pem"),
            ("PROVIDERS", "legalesign,docusign"),
        ])
        .err()
        .unwrap();
        assert_eq!(problems.0.len(), 8, "{problems}");
        for value in ["docusign", "plenty", "perhaps", "secret", "roots.pem"] {
            assert!(!problems.to_string().contains(value), "{problems}");
        }
    }

    #[test]
    fn insecure_downloads_are_allowed_from_loopback_or_from_private_networks() {
        let base = [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("TEMPORARY_BUCKET", "t")];
        for (value, rule) in [
            ("", AddressRule::Public),
            ("false", AddressRule::Public),
            ("true", AddressRule::PublicOrLoopback),
            ("private", AddressRule::PublicOrPrivate),
        ] {
            let settings = read(&[&base[..], &[("ALLOW_INSECURE_DOWNLOADS", value)]].concat()).unwrap();
            assert_eq!(settings.allow_insecure, rule, "{value:?}");
        }
    }

    #[test]
    fn an_inline_secret_takes_precedence_over_secrets_manager() {
        let base =
            [("TABLE_NAME", "t"), ("ARCHIVE_BUCKET", "b"), ("TEMPORARY_BUCKET", "t"), ("SIGNEASY_API_SECRET_ID", "id")];
        let settings = read(&base).unwrap();
        assert!(matches!(&settings.service(Provider::Signeasy).api, SecretSource::SecretsManager(id) if id == "id"));
        let settings = read(&[&base[..], &[("SIGNEASY_API", "{}")]].concat()).unwrap();
        assert!(matches!(&settings.service(Provider::Signeasy).api, SecretSource::Inline(_)));
    }
}
