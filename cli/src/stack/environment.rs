//! The environment of the stack's functions.

use std::collections::{BTreeMap, HashMap};

use countersign::domain::{Provider, Route};

use super::{BUCKET, Options, TABLE};
use crate::bus;

/// The process's environment, without variables that aren't UTF-8.
#[must_use]
pub fn process_environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Settings that aren't secret. Nothing else of an environment may be written to a file.
const OPEN_SETTINGS: [&str; 10] = [
    "LEGALESIGN_API_URL",
    "QUICKLYSIGN_API_URL",
    "SIGNEASY_API_URL",
    "DOWNLOAD_HOSTS",
    "PDF_TRUST_ROOTS",
    "LEGALESIGN_REALTIME_PROOF",
    "SIGNEASY_TOKEN",
    "SIGNEASY_API_PATH",
    "MAX_BODY_BYTES",
    "EVENT_BUS",
    "EVENT_FILE_NAMES",
];

/// The settings in `environment` that may be written to a file.
pub(super) fn open_settings(environment: &HashMap<String, String>) -> BTreeMap<String, String> {
    let set = OPEN_SETTINGS.into_iter().filter_map(|name| Some((name.to_owned(), environment.get(name)?.clone())));
    set.collect()
}

/// The functions' environment: that of the options, completed by what the stack sets itself.
#[must_use]
pub fn environment(options: &Options, simulator: &str, http: &str) -> HashMap<String, String> {
    let mut environment = options.environment.clone();
    let mut default = |name: &str, value: String| {
        environment.entry(name.to_owned()).or_insert(value);
    };
    default("LEGALESIGN_API_URL", format!("{simulator}/legalesign/api/v1"));
    default("QUICKLYSIGN_API_URL", format!("{simulator}/quicklysign"));
    default("SIGNEASY_API_URL", format!("{simulator}/signeasy"));
    default("QUICKLYSIGN_CALLBACK_URL", format!("{http}{}", Route::Quicklysign.path()));
    default("SIGNEASY_TOKEN", "if_present".to_owned());
    let mut set = |name: &str, value: String| {
        environment.insert(name.to_owned(), value);
    };
    set("TABLE_NAME", TABLE.to_owned());
    set("ARCHIVE_BUCKET", BUCKET.to_owned());
    set("EVENT_BUS", bus::NAME.to_owned());
    set("ALLOW_INSECURE_DOWNLOADS", "true".to_owned());
    for provider in Provider::ALL {
        let prefix = provider.as_str().to_ascii_uppercase();
        let (proof, api) = options.secrets.of(provider);
        set(&format!("{prefix}_PROOF"), proof.to_string());
        set(&format!("{prefix}_API"), api.to_string());
    }
    environment
}
