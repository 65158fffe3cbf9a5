//! The environment of the stack's functions.

use std::collections::{BTreeMap, HashMap};

use countersign::{domain::Provider, providers};

use super::{BUCKET, Options, TABLE, TEMPORARY_BUCKET};
use crate::{bus, secrets::Secrets, simulator::SERVICES};

/// The process's environment, without variables that aren't UTF-8.
#[must_use]
pub fn process_environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Settings of the stack that aren't secret.
const OPEN_SETTINGS: [&str; 6] =
    ["DOWNLOAD_HOSTS", "EVENT_BUS", "EVENT_FILE_NAMES", "MAX_BODY_BYTES", "PDF_TRUST_ROOTS", "PROVIDERS"];

/// The settings in `environment` that may be written to a file: those of the stack and of every service that aren't
/// secret.
pub(super) fn open_settings(environment: &HashMap<String, String>) -> BTreeMap<String, String> {
    let of_services = providers::SERVICES.iter().flat_map(|service| {
        let options = service.variables.options.iter().map(|name| (*name).to_owned());
        options.chain([service.provider.variable("API_URL")])
    });
    let names = OPEN_SETTINGS.into_iter().map(str::to_owned).chain(of_services);
    names.filter_map(|name| environment.get(&name).cloned().map(|value| (name, value))).collect()
}

/// The secrets as variables.
pub(super) fn secret_variables(secrets: &Secrets) -> impl Iterator<Item = (String, String)> {
    Provider::ALL.into_iter().flat_map(|provider| {
        let (proof, api) = secrets.of(provider);
        [(provider.variable("PROOF"), proof.to_string()), (provider.variable("API"), api.to_string())]
    })
}

/// The functions' environment: that of the options, completed by what the stack sets itself. `simulator` and `gateway`
/// are URLs.
#[must_use]
pub fn environment(options: &Options, simulator: &str, gateway: &str) -> HashMap<String, String> {
    let mut environment = options.environment.clone();
    for service in SERVICES {
        let api_url = (service.provider().variable("API_URL"), format!("{simulator}{}", service.api_path()));
        let settings = service.settings(gateway).into_iter().map(|(name, value)| (name.to_owned(), value));
        for (name, value) in settings.chain([api_url]) {
            environment.entry(name).or_insert(value);
        }
    }
    let own = [
        ("TABLE_NAME", TABLE),
        ("ARCHIVE_BUCKET", BUCKET),
        ("TEMPORARY_BUCKET", TEMPORARY_BUCKET),
        ("EVENT_BUS", bus::NAME),
        ("ALLOW_INSECURE_DOWNLOADS", "true"),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    environment.extend(secret_variables(&options.secrets));
    environment
}
