//! Dropbox Sign's own settings.

use crate::{
    domain::Provider,
    settings::{ServiceSettings, ServiceVariables},
};

const FILE_TYPE: &str = "DROPBOX_SIGN_FILE_TYPE";

/// What settings need to know about Dropbox Sign. The files are on the API's own host. Hosts of redirects are not
/// documented, so the whole domain is allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::DropboxSign,
    live_api_url: "https://api.hellosign.com/v3",
    download_hosts: "hellosign.com,*.hellosign.com",
    options: &[FILE_TYPE],
    check: |settings| parse(settings).1,
};

/// `DROPBOX_SIGN_FILE_TYPE`: how the final documents of a request are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileType {
    /// One PDF with all documents (the default).
    Pdf,
    /// A zip with a PDF for each document.
    Zip,
}

impl FileType {
    /// The name in the API and in the setting.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Zip => "zip",
        }
    }
}

/// Parses the settings that only Dropbox Sign has, with the problems found.
pub(super) fn parse(settings: &ServiceSettings) -> (FileType, Vec<String>) {
    let mut problems = Vec::new();
    let file_type = settings.option(&mut problems, FILE_TYPE, "pdf or zip", FileType::Pdf, |text| {
        [FileType::Pdf, FileType::Zip].into_iter().find(|each| each.as_str() == text)
    });
    (file_type, problems)
}
