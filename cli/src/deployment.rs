//! A deployed stack, as described by its outputs and parameters: the table, the bucket, and the settings of its functions.
//!
//! The template sets each variable of a function from a resource or a parameter, and CloudFormation shows both to anyone who
//! may describe the stack. So a command uses the same settings as the functions without having them repeated. A test checks
//! that the template and the lists below agree.

use std::collections::BTreeMap;

/// Variables that are outputs of `template.yaml`.
const OUTPUTS: [(&str, &str); 10] = [
    ("TABLE_NAME", "TableName"),
    ("ARCHIVE_BUCKET", "ArchiveBucketName"),
    ("EVENT_BUS", "EventBusArn"),
    ("LEGALESIGN_PROOF_SECRET_ID", "LegalesignProofSecret"),
    ("LEGALESIGN_API_SECRET_ID", "LegalesignApiSecret"),
    ("QUICKLYSIGN_PROOF_SECRET_ID", "QuicklysignProofSecret"),
    ("QUICKLYSIGN_API_SECRET_ID", "QuicklysignApiSecret"),
    ("QUICKLYSIGN_CALLBACK_URL", "QuicklysignUrl"),
    ("SIGNEASY_PROOF_SECRET_ID", "SigneasyProofSecret"),
    ("SIGNEASY_API_SECRET_ID", "SigneasyApiSecret"),
];

/// Variables that are parameters of `template.yaml`.
const PARAMETERS: [(&str, &str); 13] = [
    ("MAX_BODY_BYTES", "MaxBodyBytes"),
    ("DOWNLOAD_HOSTS", "DownloadHosts"),
    ("PDF_TRUST_ROOTS", "PdfTrustRoots"),
    ("EVENT_FILE_NAMES", "EventFileNames"),
    ("LEGALESIGN_API_URL", "LegalesignApiUrl"),
    ("LEGALESIGN_REALTIME_PROOF", "LegalesignRealtimeProof"),
    ("QUICKLYSIGN_API_URL", "QuicklysignApiUrl"),
    ("QUICKLYSIGN_SUBSCRIPTIONS", "QuicklysignSubscriptions"),
    ("QUICKLYSIGN_WEBHOOK_KEYS", "QuicklysignWebhookKeys"),
    ("QUICKLYSIGN_DELETE_PATHS", "QuicklysignDeletePaths"),
    ("SIGNEASY_API_URL", "SigneasyApiUrl"),
    ("SIGNEASY_API_PATH", "SigneasyApiPath"),
    ("SIGNEASY_TOKEN", "SigneasyTokenPolicy"),
];

/// A deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The table's name.
    pub table: String,
    /// The bucket's name.
    pub bucket: String,
    environment: BTreeMap<String, String>,
}

impl Deployment {
    /// The stack with these outputs and parameters; `None` if it isn't a stack of Countersign.
    #[must_use]
    pub fn new(outputs: &BTreeMap<String, String>, parameters: &BTreeMap<String, String>) -> Option<Self> {
        let variables = OUTPUTS.iter().map(|(variable, output)| (*variable, outputs.get(*output)));
        let variables = variables.chain(PARAMETERS.iter().map(|(variable, name)| (*variable, parameters.get(*name))));
        let set = variables.filter_map(|(variable, value)| Some((variable.to_owned(), value?.clone())));
        // An empty parameter is one that isn't given.
        let environment: BTreeMap<String, String> = set.filter(|(_, value)| !value.is_empty()).collect();
        let named = |variable: &str| environment.get(variable).cloned();
        Some(Self { table: named("TABLE_NAME")?, bucket: named("ARCHIVE_BUCKET")?, environment })
    }

    /// The environment variables of all its functions together. They contain the secrets' names, not their values.
    #[must_use]
    pub const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }
}
