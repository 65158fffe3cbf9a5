//! Legalesign's own settings.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::realtime::{HmacForm, HmacPolicy};
use crate::{
    domain::Provider,
    settings::{ServiceSettings, ServiceVariables},
};

/// `LEGALESIGN_REALTIME_PROOF`: `signature` or `token`.
const REALTIME_PROOF: &str = "LEGALESIGN_REALTIME_PROOF";

/// `LEGALESIGN_REALTIME_HMAC_FORM`: how the HMAC of a webhook is encoded, as `countersign probe` finds it.
pub(super) const HMAC_FORM: &str = "LEGALESIGN_REALTIME_HMAC_FORM";

/// `LEGALESIGN_REALTIME_HMAC`: `required`, `if_present` or `ignored`. Default: `if_present`, once a form is set.
const HMAC: &str = "LEGALESIGN_REALTIME_HMAC";

/// `LEGALESIGN_TIME_ZONE`: the IANA name of a time zone, such as `Europe/London`. Unset: UTC.
const TIME_ZONE: &str = "LEGALESIGN_TIME_ZONE";

/// What settings need to know about Legalesign. Hosts of redirects are not documented, so its whole domain is allowed.
pub(super) const VARIABLES: ServiceVariables = ServiceVariables {
    provider: Provider::Legalesign,
    live_api_url: "https://eu-api.legalesign.com/api/v1",
    download_hosts: "legalesign.com,*.legalesign.com",
    options: &[REALTIME_PROOF, HMAC, HMAC_FORM, TIME_ZONE],
    check: |settings| parse(settings).1,
};

/// The settings that only Legalesign has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LegalesignSettings {
    /// Whether a realtime callback must be signed, or the path token is enough for one without a signature.
    pub(super) realtime_must_be_signed: bool,
    /// Whether the HMAC of a webhook is checked; `None` if it is ignored.
    pub(super) hmac: Option<HmacPolicy>,
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
    let is_form_set = settings.options().any(|(name, _)| name == HMAC_FORM);
    let forms = HmacForm::ALL.map(|form| form.name).join(", ");
    let form = settings.option(&mut problems, HMAC_FORM, &forms, None, |name| HmacForm::parse(name).map(Some));
    let (is_checked, is_required) = settings.option(
        &mut problems,
        HMAC,
        "required, if_present or ignored",
        (is_form_set, false),
        |text| match text {
            "required" => Some((true, true)),
            "if_present" => Some((true, false)),
            "ignored" => Some((false, false)),
            _ => None,
        },
    );
    if is_checked && !is_form_set {
        problems.push(format!("{HMAC} needs {HMAC_FORM}"));
    }
    let hmac = form.filter(|_| is_checked).map(|form| HmacPolicy { form, is_required });
    // The bundled database, so that a name means the same on every machine.
    let expected = "an IANA name of a time zone, such as Europe/London";
    let time_zone = settings
        .option(&mut problems, TIME_ZONE, expected, TimeZone::UTC, |name| TimeZoneDatabase::bundled().get(name).ok());
    (LegalesignSettings { realtime_must_be_signed, hmac, time_zone }, problems)
}

#[cfg(test)]
mod tests {
    use crate::providers::settings;

    /// The problems that these variables cause, apart from what else is missing.
    fn problems(variables: &[(&str, &str)]) -> String {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let problems = settings(value).err().map(|problems| problems.to_string()).unwrap_or_default();
        problems.split("; ").filter(|problem| problem.contains("LEGALESIGN_")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn an_unknown_zone_form_or_policy_is_reported() {
        let (form, policy) = ("LEGALESIGN_REALTIME_HMAC_FORM", "LEGALESIGN_REALTIME_HMAC");
        for (name, value) in [("LEGALESIGN_TIME_ZONE", "London"), (form, "hex"), (policy, "always")] {
            assert!(problems(&[(name, value)]).contains(&format!("{name} must be ")), "{name}={value}");
        }
        for (name, value) in [("LEGALESIGN_TIME_ZONE", "Europe/London"), (form, "hex-text"), (policy, "ignored")] {
            assert_eq!(problems(&[(name, value)]), "", "{name}={value}");
        }
    }

    #[test]
    fn an_hmac_cannot_be_checked_without_its_form() {
        for policy in ["required", "if_present"] {
            let policy = ("LEGALESIGN_REALTIME_HMAC", policy);
            assert!(problems(&[policy]).contains("LEGALESIGN_REALTIME_HMAC needs LEGALESIGN_REALTIME_HMAC_FORM"));
            assert_eq!(problems(&[policy, ("LEGALESIGN_REALTIME_HMAC_FORM", "base64-hex")]), "");
        }
    }
}
