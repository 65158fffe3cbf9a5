//! A deployed stack, as described by its outputs and parameters: the table, the buckets, and the settings of its functions.
//!
//! The template sets each variable of a function from a resource or a parameter, and CloudFormation shows both to anyone who
//! may describe the stack. So a command uses the same settings as the functions without having them repeated. The names follow
//! from those of the variables, with few exceptions; a test compares them with the template.

use std::collections::BTreeMap;

use countersign::providers::SERVICES;
use heck::ToUpperCamelCase;

/// Variables that are outputs of `template.yaml` with another name than [`template_name`].
const OUTPUTS: [(&str, &str); 5] = [
    ("TABLE_NAME", "TableName"),
    ("ARCHIVE_BUCKET", "ArchiveBucketName"),
    ("TEMPORARY_BUCKET", "TemporaryBucketName"),
    ("EVENT_BUS", "EventBusArn"),
    ("QUICKLYSIGN_CALLBACK_URL", "QuicklysignUrl"),
];

/// The output of `template.yaml` with the version of the functions.
pub const VERSION_OUTPUT: &str = "Version";

/// Variables that are parameters of `template.yaml` and belong to no service.
const PARAMETERS: [&str; 5] = ["PROVIDERS", "MAX_BODY_BYTES", "DOWNLOAD_HOSTS", "PDF_TRUST_ROOTS", "EVENT_FILE_NAMES"];

/// Variables whose parameters have another name than [`template_name`]: the parameter `SigneasyToken` could be taken for
/// the token itself.
const RENAMED: [(&str, &str); 1] = [("SIGNEASY_TOKEN", "SigneasyTokenPolicy")];

/// The name in `template.yaml` that belongs to a variable: `LegalesignApiUrl` to `LEGALESIGN_API_URL`.
#[must_use]
pub fn template_name(variable: &str) -> String {
    variable.to_upper_camel_case()
}

/// The variables that are outputs, each with the output's name.
fn outputs() -> impl Iterator<Item = (String, String)> {
    let secrets = SERVICES.iter().flat_map(|service| {
        ["PROOF", "API"].map(|kind| {
            let secret = service.provider.variable(&format!("{kind}_SECRET"));
            (format!("{secret}_ID"), template_name(&secret))
        })
    });
    OUTPUTS.into_iter().map(|(variable, output)| (variable.to_owned(), output.to_owned())).chain(secrets)
}

/// The variables that are parameters, each with the parameter's name.
fn parameters() -> impl Iterator<Item = (String, String)> {
    let of_services = SERVICES.iter().flat_map(|service| {
        let options = service.variables.options.iter().map(|option| (*option).to_owned());
        options.chain([service.provider.variable("API_URL")])
    });
    PARAMETERS.into_iter().map(str::to_owned).chain(of_services).map(|variable| {
        let renamed = RENAMED.iter().find(|(name, _)| *name == variable);
        let parameter = renamed.map_or_else(|| template_name(&variable), |(_, parameter)| (*parameter).to_owned());
        (variable, parameter)
    })
}

/// A deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The table's name.
    pub table: String,
    /// The archive's name.
    pub bucket: String,
    /// The temporary bucket's name.
    pub temporary_bucket: String,
    /// The version of its functions; `None` if its template is older than that output.
    pub version: Option<String>,
    environment: BTreeMap<String, String>,
}

impl Deployment {
    /// The stack with these outputs and parameters; `None` if it isn't a stack of Countersign.
    #[must_use]
    pub fn new(outputs: &BTreeMap<String, String>, parameters: &BTreeMap<String, String>) -> Option<Self> {
        let version = outputs.get(VERSION_OUTPUT).cloned();
        let outputs = self::outputs().map(|(variable, output)| (variable, outputs.get(&output)));
        let parameters = self::parameters().map(|(variable, parameter)| (variable, parameters.get(&parameter)));
        let set = outputs.chain(parameters).filter_map(|(variable, value)| Some((variable, value?.clone())));
        // An empty parameter is one that isn't given.
        let environment: BTreeMap<String, String> = set.filter(|(_, value)| !value.is_empty()).collect();
        let named = |variable: &str| environment.get(variable).cloned();
        Some(Self {
            table: named("TABLE_NAME")?,
            bucket: named("ARCHIVE_BUCKET")?,
            temporary_bucket: named("TEMPORARY_BUCKET")?,
            version,
            environment,
        })
    }

    /// The environment variables of all its functions together. They contain the secrets' names, not their values.
    #[must_use]
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }
}
