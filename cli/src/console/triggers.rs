//! The documented callbacks, as buttons.

use countersign::{provider::Provider, subject::SubjectId};

use super::{Gateway, view::Problem};
use crate::commands::trigger;

/// The services' documented events, in the services' own words, and what each means.
pub const EVENTS: [(Provider, &[(&str, &str)]); 3] = [
    (
        Provider::Legalesign,
        &[
            ("batch", "everything that changed in six minutes, signed"),
            ("sent", "a document was sent"),
            ("signed", "everybody signed"),
            ("rejected", "a signer refused"),
            ("realtime", "one document changed, the JSON form"),
        ],
    ),
    (
        Provider::Quicklysign,
        &[
            ("final_document_generated", "everybody signed: the final PDFs are ready"),
            ("document_status_changed", "the status changed"),
            ("document_updated", "a document changed"),
            ("signatory_updated", "a signatory changed"),
            ("entity_updated", "something changed"),
            ("audit_trail_updated", "the audit trail changed"),
        ],
    ),
    (
        Provider::Signeasy,
        &[
            ("rs.initiated", "a request was made"),
            ("rs.link_sent", "the signing link was sent"),
            ("rs.viewed", "a signer looked"),
            ("rs.signed", "a signer signed"),
            ("rs.reminded", "a signer was reminded"),
            ("rs.declined", "a signer refused"),
            ("rs.voided", "the sender took it back"),
            ("rs.expired", "its time ran out"),
            ("rs.completed", "everybody signed"),
            ("document.signed", "a document was signed by its owner alone"),
        ],
    ),
];

/// The providers and events that this stack can send.
pub fn offered(gateway: &Gateway) -> Vec<(Provider, Vec<(&'static str, &'static str)>)> {
    let secrets = &gateway.secrets;
    // Legalesign's callbacks are signed, and only a throw-away key is at hand here.
    let signed = |provider| provider != Provider::Legalesign || secrets.signing_key().is_ok();
    let can = |provider| secrets.url_token(provider).is_ok() && signed(provider);
    EVENTS
        .into_iter()
        .filter(|(provider, _)| can(*provider))
        .map(|(provider, events)| (provider, events.to_vec()))
        .collect()
}

/// Sends a callback to the stack's own gateway; gives the id of the delivery that was kept.
pub async fn send(
    gateway: &Gateway,
    provider: Provider,
    event: &str,
    id: Option<SubjectId>,
) -> Result<Option<String>, Problem> {
    let known = offered(gateway)
        .into_iter()
        .any(|(offered, events)| offered == provider && events.iter().any(|(name, _)| *name == event));
    if !known {
        return Err(Problem::BadRequest("this stack can't send such a callback"));
    }
    let failed = |problem: &dyn std::fmt::Display| Problem::Failed(problem.to_string());
    let id = match id {
        Some(id) => id,
        None => trigger::new_id(provider).map_err(|problem| failed(&problem.message()))?,
    };
    let callback = trigger::callback(provider, event, trigger::Payload::default(), &id, Some(&gateway.secrets))
        .map_err(|problem| failed(&problem.message()))?;
    let token = gateway.secrets.url_token(provider).map_err(|problem| failed(&problem))?;
    let url = format!("{}{}", gateway.url, callback.route.path().replace("{token}", &token));
    let (status, answer) = trigger::send(&url, callback).await.map_err(|problem| failed(&problem.message()))?;
    if !status.is_success() {
        let reason = answer["reason"].as_str().unwrap_or("no reason given");
        return Err(Problem::Failed(format!("the callback was answered {}: {reason}", status.as_u16())));
    }
    Ok(answer["delivery"].as_str().map(str::to_owned))
}
