//! What to do about a rejected request in quarantine, by its cause: for the console and the command line.

use countersign::ledger::QuarantineRecord;

/// The next step, in a sentence or two.
pub fn next_step(record: &QuarantineRecord) -> &'static str {
    if record.taken_in_at.is_some() {
        return "It was replayed successfully, and is now a delivery like any other.";
    }
    if record.sha256.is_none() {
        return "Its body was not kept, because the secrets in it could not be located for removal. It can't be replayed: have \
                the service send it again, or leave it to expire.";
    }
    match (record.reason.as_str(), record.cause.as_str()) {
        ("not_configured", _) => "Fill in the service's proof secret, then replay it.",
        (_, "signature_missing") => {
            "Signatures are required (LEGALESIGN_REALTIME_PROOF=signature), and it has none. If the service doesn't sign \
             these yet, set `token`, then replay it."
        }
        (_, "signature_mismatch" | "signature_length" | "signature_outside_validity") => {
            "If the service has a new certificate, add it to `certificates` in its proof secret, then replay it. If it \
             doesn't, something changed the body in transit, or an attacker knows the URL: change the path token."
        }
        (_, "hmac_mismatch") => {
            "If the webhook's HMAC secret was changed at the service, add it to `hmac_secrets` in its proof secret, then replay \
             it. If all are rejected, `countersign probe` finds the HMAC's form. If neither, something changed the body in \
             transit, or an attacker knows the URL: change the path token."
        }
        (_, "hmac_missing") => {
            "An HMAC is required (LEGALESIGN_REALTIME_HMAC=required), and it has none. If the service doesn't send one, set \
             `if_present`, then replay it."
        }
        (_, "token_wrong") => {
            "If the webhook's token was changed at the service, add it to `tokens` in its proof secret, then replay it. If \
             it wasn't, an attacker knows the URL: change the path token."
        }
        (_, "event_hash_wrong") => {
            "If the account has a new API key, add it to `api_keys` in its proof secret, then replay it. If it doesn't, \
             something changed the body in transit, or an attacker knows the URL: change the path token."
        }
        (_, "token_missing") => {
            "Set a token for the webhook at the service. To accept callbacks without one, set SIGNEASY_TOKEN=if_present, \
             then replay it."
        }
        ("malformed", _) => {
            "It doesn't have the documented form, and no setting can make it verifiable. Look at its body: if the service \
             has changed the form, the code must be adapted; if not, leave it to expire."
        }
        _ => "Fix the cause, then replay it; or leave it to expire.",
    }
}

#[cfg(test)]
mod tests {
    use countersign::{
        domain::{Provider, Route},
        time,
    };

    use super::*;

    #[test]
    fn replay_is_suggested_only_where_it_can_succeed() {
        let record = |reason: &str, cause: &str| QuarantineRecord {
            id: "0190b6c8-0000-7000-8000-000000000000".parse().unwrap(),
            provider: Provider::Legalesign,
            route: Route::LegalesignBatch.path(),
            received_at: time::now(),
            reason: reason.to_owned(),
            cause: cause.to_owned(),
            size: Some(1),
            sha256: Some(String::new()),
            token: 0,
            expires_at: time::now(),
            taken_in_at: None,
        };
        for (reason, cause, word) in [
            ("unproven", "signature_mismatch", "certificates"),
            ("unproven", "token_wrong", "tokens"),
            ("unproven", "event_hash_wrong", "api_keys"),
            ("unproven", "something_new", "replay"),
            ("not_configured", "no certificate is configured", "proof secret"),
        ] {
            let advice = next_step(&record(reason, cause));
            assert!(advice.contains(word) && advice.contains("replay it"), "{cause}: {advice}");
        }
        let not_kept = QuarantineRecord { sha256: None, ..record("unproven", "token_wrong") };
        let replayed = QuarantineRecord { taken_in_at: Some(time::now()), ..record("unproven", "token_wrong") };
        for hopeless in [record("malformed", "not_json"), not_kept, replayed] {
            assert!(!next_step(&hopeless).contains("then replay"), "{hopeless:?}");
        }
    }
}
