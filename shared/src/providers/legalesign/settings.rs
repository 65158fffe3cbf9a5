//! Legalesign's own settings.

use crate::{
    domain::Provider,
    settings::{ServiceSettings, ServiceVariables},
};

/// `LEGALESIGN_REALTIME_PROOF`: `signature` or `token`.
const REALTIME_PROOF: &str = "LEGALESIGN_REALTIME_PROOF";

/// What settings need to know about Legalesign. Hosts of redirects are not documented, so its whole domain is allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::Legalesign,
    live_api_url: "https://eu-api.legalesign.com/api/v1",
    download_hosts: "legalesign.com,*.legalesign.com",
    options: &[REALTIME_PROOF],
    check: |settings| parse(settings).1,
};

/// The settings that only Legalesign has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegalesignSettings {
    /// Whether a realtime callback must be signed, or the path token is enough for one without a signature.
    pub(super) realtime_must_be_signed: bool,
}

/// Parses them, with the problems found.
pub(super) fn parse(settings: &ServiceSettings) -> (LegalesignSettings, Vec<String>) {
    let mut problems = Vec::new();
    let realtime_must_be_signed =
        settings.option(&mut problems, REALTIME_PROOF, "token or signature", false, |text| match text {
            "signature" => Some(true),
            "token" => Some(false),
            _ => None,
        });
    (LegalesignSettings { realtime_must_be_signed }, problems)
}
