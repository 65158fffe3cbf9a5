//! What to do about a refused request that is kept: by its cause, for the console and the command line alike.

use countersign::ledger::QuarantineRecord;

/// The next step, in a sentence or two.
pub fn next_step(record: &QuarantineRecord) -> &'static str {
    if record.taken_in_at.is_some() {
        return "It was taken in after all, and is a delivery like any other.";
    }
    if record.sha256.is_none() {
        return "Its body could not be kept, since the secrets in it could not be found: it can't be replayed. Have the \
                service send it again, or leave it to expire.";
    }
    match (record.reason.as_str(), record.cause.as_str()) {
        ("not_configured", _) => "Fill in the service's proof secret, then replay it.",
        (_, "signature_missing") => {
            "Signatures are demanded (LEGALESIGN_REALTIME_PROOF=signature), and it has none. If the service doesn't sign \
             these yet, allow `token`, then replay it."
        }
        (_, "signature_mismatch" | "signature_length" | "signature_outside_validity") => {
            "If the service has a new certificate, add it to `certificates` in its proof secret, then replay it. If it \
             hasn't, something on the way changed the body, or somebody who knows the URL forges: change the path token."
        }
        (_, "token_wrong") => {
            "If the webhook's token was changed at the service, add it to `tokens` in its proof secret, then replay it. If \
             it wasn't, somebody who knows the URL forges: change the path token."
        }
        (_, "token_missing") => {
            "Set a token for the webhook at the service. To take in callbacks without one, set SIGNEASY_TOKEN=if_present, \
             then replay it."
        }
        ("malformed", _) => {
            "It isn't what the service documents, and no setting makes it provable. Look at its body: if the service has \
             changed its form, the code must learn it; if not, leave it to expire."
        }
        _ => "Correct what the cause names, then replay it; or leave it to expire.",
    }
}

#[cfg(test)]
mod tests {
    use countersign::{delivery::Route, provider::Provider, time};

    use super::*;

    #[test]
    fn what_can_be_replayed_is_told_to_be_and_what_cannot_is_not() {
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
            ("unproven", "something_new", "replay"),
            ("not_configured", "no certificate is configured", "proof secret"),
        ] {
            let said = next_step(&record(reason, cause));
            assert!(said.contains(word) && said.contains("replay it"), "{cause}: {said}");
        }
        let not_kept = QuarantineRecord { sha256: None, ..record("unproven", "token_wrong") };
        let taken_in = QuarantineRecord { taken_in_at: Some(time::now()), ..record("unproven", "token_wrong") };
        for hopeless in [record("malformed", "not_json"), not_kept, taken_in] {
            assert!(!next_step(&hopeless).contains("then replay"), "{hopeless:?}");
        }
    }
}
