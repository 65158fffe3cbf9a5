//! The documented callbacks that the console's buttons send.

use countersign::domain::{Provider, SubjectId};

use super::{Gateway, view::Problem};
use crate::simulator::callbacks::{self, Payload};

/// The services' documented events: each name in the service's own words, and its meaning.
pub const EVENTS: [(Provider, &[(&str, &str)]); 3] = [
    (
        Provider::Legalesign,
        &[
            ("batch", "all changes of six minutes, signed"),
            ("sent", "a document was sent"),
            ("signed", "all parties have signed"),
            ("rejected", "a signer declined"),
            ("realtime", "a document changed (JSON webhook)"),
        ],
    ),
    (
        Provider::Quicklysign,
        &[
            ("final_document_generated", "all parties have signed, and the final PDFs are ready"),
            ("document_status_changed", "the status changed"),
            ("document_updated", "a document changed"),
            ("signatory_updated", "a signatory changed"),
            ("entity_updated", "an entity changed"),
            ("audit_trail_updated", "the audit trail changed"),
        ],
    ),
    (
        Provider::Signeasy,
        &[
            ("rs.initiated", "a signature request was created"),
            ("rs.link_sent", "the signing link was sent"),
            ("rs.viewed", "a signer viewed the document"),
            ("rs.signed", "a signer signed"),
            ("rs.reminded", "a signer was reminded"),
            ("rs.declined", "a signer declined"),
            ("rs.voided", "the sender withdrew the request"),
            ("rs.expired", "the request expired"),
            ("rs.completed", "all parties have signed"),
            ("document.signed", "the owner signed a document alone"),
        ],
    ),
];

/// The providers and events that this stack can send.
pub fn offered(gateway: &Gateway) -> Vec<(Provider, Vec<(&'static str, &'static str)>)> {
    let secrets = &gateway.secrets;
    // Legalesign's callbacks must be signed, which works only with the stack's own throw-away key.
    let can_sign = |provider| provider != Provider::Legalesign || secrets.signing_key().is_ok();
    let can_send = |provider| secrets.url_token(provider).is_ok() && can_sign(provider);
    EVENTS
        .into_iter()
        .filter(|(provider, _)| can_send(*provider))
        .map(|(provider, events)| (provider, events.to_vec()))
        .collect()
}

/// Sends a callback to the stack's own gateway. Returns the id of the stored delivery, if it was stored.
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
        return Err(Problem::BadRequest("this stack can't send this callback"));
    }
    let failed = |problem: &dyn std::fmt::Display| Problem::Failed(problem.to_string());
    let id = match id {
        Some(id) => id,
        None => callbacks::new_id(provider).map_err(|problem| failed(&problem))?,
    };
    let proof = gateway.secrets.callback_proof();
    let callback = callbacks::callback(provider, event, Payload::default(), &id, &proof);
    let callback = callback.map_err(|problem| failed(&problem))?;
    let token = gateway.secrets.url_token(provider).map_err(|problem| failed(&problem))?;
    let url = format!("{}{}", gateway.url, callback.route.path().replace("{token}", &token));
    let (status, answer) = callback.send(&url).await.map_err(|problem| failed(&problem))?;
    if !status.is_success() {
        let reason = answer["reason"].as_str().unwrap_or("no reason given");
        return Err(Problem::Failed(format!("the callback was answered with {}: {reason}", status.as_u16())));
    }
    Ok(answer["delivery"].as_str().map(str::to_owned))
}
