//! `countersign verify`: proves a stored delivery's signature again, offline.

use std::path::Path;

use clap::Args;
use countersign::{
    delivery::DeliveryId,
    verify::{Verification, VerifyError, verify},
};

use super::{
    output::{Failure, Output},
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Verify {
    /// The delivery's id, as the callback's answer and `timeline` have it
    #[arg(value_parser = id)]
    delivery: DeliveryId,
}

fn id(text: &str) -> Result<DeliveryId, String> {
    text.parse().map_err(|error: countersign::delivery::InvalidDeliveryId| error.to_string())
}

impl Verify {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let access = Access::open(data).await?;
        match verify(&access.ledger(), &self.delivery).await {
            Ok(verification) => Output::new(&verification, text(&verification)),
            Err(error @ VerifyError::NotFound) => Err(Failure::not_found(format!("{error}: {}", self.delivery))),
            Err(error) => Err(Failure::new(error.code(), error.to_string())),
        }
    }
}

fn text(verification: &Verification) -> String {
    let Verification { delivery, received_at, route, size, sha256, certificate } = verification;
    let validity = match (certificate.not_before, certificate.not_after) {
        (Some(from), Some(to)) => format!("valid from {from} to {to}"),
        _ => "a public key, without an end".to_owned(),
    };
    format!(
        "delivery {delivery}\nreceived {received_at} at {route}\nbody     {size} bytes, SHA-256 {sha256}\n\
         signed   by {}\n         known since {}, {validity}\nok: the signature matches the stored bytes\n",
        certificate.fingerprint, certificate.known_since
    )
}
