//! `countersign verify`: verifies the signatures of stored deliveries again, or those within a PDF, offline.

mod pdf;

use std::path::PathBuf;

use clap::Args;
use countersign::{
    domain::{DeliveryId, Provider},
    replay::Selection,
    verify::{Verification, VerifyError, verify},
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, table},
    progress::Progress,
    provider,
    storage::Access,
};

/// Deliveries that are verified at the same time.
const CONCURRENT: usize = 8;

#[derive(Debug, Args)]
pub struct Verify {
    /// Ids of the deliveries, as in `timeline` and in the answers to callbacks
    #[arg(
        value_name = "DELIVERY",
        value_parser = id,
        required_unless_present_any = ["all", "since", "provider", "pdf"],
        conflicts_with_all = ["all", "since", "provider", "pdf"]
    )]
    deliveries: Vec<DeliveryId>,

    /// All signed deliveries
    #[arg(long)]
    all: bool,

    /// All signed deliveries received since this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// All signed deliveries of this service
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// The signatures within this PDF: a file, or a key of the bucket as in `timeline --json`. Exit code 1 if one is broken
    #[arg(long, value_name = "FILE|KEY", conflicts_with_all = ["all", "since", "provider"])]
    pdf: Option<String>,

    /// Root certificates in PEM that those signatures' certificates should lead to [default: those in PDF_TRUST_ROOTS]
    #[arg(long, value_name = "FILE", requires = "pdf")]
    roots: Option<PathBuf>,

    #[command(flatten)]
    deployed: Deployed,
}

/// The result for one of several deliveries.
#[derive(Serialize)]
#[serde(untagged)]
enum Verified {
    Proven {
        #[serde(flatten)]
        verification: Box<Verification>,
        problem: (),
    },
    NotProven {
        delivery: DeliveryId,
        problem: &'static str,
        message: String,
    },
}

fn id(text: &str) -> Result<DeliveryId, String> {
    text.parse().map_err(|error: countersign::domain::InvalidDeliveryId| error.to_string())
}

impl Verify {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        if let Some(pdf) = &self.pdf {
            return pdf::run(globals, &self.deployed, pdf, self.roots.as_deref()).await;
        }
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        let services = access.services();
        if let [delivery] = self.deliveries.as_slice() {
            return match verify(&ledger, &services, delivery).await {
                Ok(verification) => Output::new(&verification, text(&verification)),
                Err(VerifyError::Ledger(problem)) => Err(problem.into()),
                Err(VerifyError::NotFound) => {
                    let message =
                        format!("there is no delivery {delivery}: `countersign deliveries` lists a day's deliveries");
                    Err(Failure::not_found(message))
                }
                Err(error) => Err(Failure::new(error.code(), error.to_string())),
            };
        }
        let ids = if self.deliveries.is_empty() {
            let selection = Selection { since: self.since, provider: self.provider };
            let stored = selection.deliveries(&ledger).await?.into_iter();
            stored.filter(|record| record.certificate.is_some()).map(|record| record.id).collect()
        } else {
            self.deliveries
        };
        let progress = Progress::of(globals, "verifying", ids.len());
        let (ledger, services, progress) = (&ledger, &services, &progress);
        let mut results = stream::iter(ids)
            .map(async |id| {
                let result = verify(ledger, services, &id).await;
                progress.step();
                (id, result)
            })
            .buffered(CONCURRENT);
        let mut verified = Vec::new();
        while let Some((delivery, result)) = results.next().await {
            verified.push(match result {
                Ok(verification) => Verified::Proven { verification: Box::new(verification), problem: () },
                // A delivery that couldn't be read this time has no result.
                Err(VerifyError::Ledger(problem)) if problem.is_temporary() => return Err(problem.into()),
                Err(error) => Verified::NotProven { delivery, problem: error.code(), message: error.to_string() },
            });
        }
        let failed = verified.iter().filter(|one| matches!(one, Verified::NotProven { .. })).count();
        let ok = verified.len() - failed;
        let json = json!({"deliveries": verified, "verified": ok, "failed": failed});
        Ok(Output::new(&json, texts(&verified, ok, failed))?.failed_unless(failed == 0))
    }
}

fn text(verification: &Verification) -> String {
    let Verification { delivery, received_at, route, size, sha256, certificate } = verification;
    let validity = match (certificate.not_before, certificate.not_after) {
        (Some(from), Some(to)) => format!("valid from {from} to {to}"),
        _ => "a public key, which doesn't expire".to_owned(),
    };
    format!(
        "delivery {delivery}\nreceived {received_at} at {route}\nbody     {size} bytes, SHA-256 {sha256}\n\
         signed   by {}\n         known since {}, {validity}\nok: the signature matches the stored bytes\n",
        certificate.fingerprint, certificate.known_since
    )
}

fn texts(verified: &[Verified], ok: usize, failed: usize) -> String {
    if verified.is_empty() {
        return "no signed deliveries\n".to_owned();
    }
    let rows = verified.iter().map(|one| match one {
        Verified::Proven { verification, .. } => {
            let Verification { delivery, received_at, size, certificate, .. } = verification.as_ref();
            let signer = certificate.fingerprint.get(..16).unwrap_or_default().to_owned();
            [delivery.to_string(), "ok".to_owned(), received_at.to_string(), size.to_string(), signer]
        }
        Verified::NotProven { delivery, problem, .. } => {
            let dash = || "-".to_owned();
            [delivery.to_string(), (*problem).to_owned(), dash(), dash(), dash()]
        }
    });
    let table = table(["delivery", "result", "received", "bytes", "certificate"], rows);
    format!("{table}{ok} verified, {failed} failed\n")
}
