//! Legalesign's own settings.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::{
    domain::Provider,
    settings::{ServiceSettings, ServiceVariables},
};

/// `LEGALESIGN_REALTIME_PROOF`: `signature` or `token`.
const REALTIME_PROOF: &str = "LEGALESIGN_REALTIME_PROOF";

/// `LEGALESIGN_TIME_ZONE`: the IANA name of a time zone, such as `Europe/London`. Unset: UTC.
const TIME_ZONE: &str = "LEGALESIGN_TIME_ZONE";

/// What settings need to know about Legalesign. Hosts of redirects are not documented, so its whole domain is allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::Legalesign,
    live_api_url: "https://eu-api.legalesign.com/api/v1",
    download_hosts: "legalesign.com,*.legalesign.com",
    options: &[REALTIME_PROOF, TIME_ZONE],
    check: |settings| parse(settings).1,
};

/// The settings that only Legalesign has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LegalesignSettings {
    /// Whether a realtime callback must be signed, or the path token is enough for one without a signature.
    pub(super) realtime_must_be_signed: bool,
    /// The zone of times that Legalesign writes without one. Which one it is isn't documented.
    pub(super) time_zone: TimeZone,
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
    // The bundled database, so that a name means the same on every machine.
    let expected = "an IANA name of a time zone, such as Europe/London";
    let time_zone = settings
        .option(&mut problems, TIME_ZONE, expected, TimeZone::UTC, |name| TimeZoneDatabase::bundled().get(name).ok());
    (LegalesignSettings { realtime_must_be_signed, time_zone }, problems)
}
