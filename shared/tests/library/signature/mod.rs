//! Signatures and certificates like Legalesign's: see `tests/data/legalesign/README.md`.

mod certificates;
mod nist;
mod verification;

use countersign::proof::signature::{Fingerprint, Signers};
use jiff::Timestamp;

const LOOKALIKE: &str = include_str!("../../data/legalesign/lookalike.crt.pem");
const LOOKALIKE_KEY: &str = include_str!("../../data/legalesign/lookalike.pub.pem");
const OTHER: &str = include_str!("../../data/legalesign/other-v3.crt.pem");
const BATCH: &[u8] = include_bytes!("../../data/legalesign/messages/batch.json");
const BATCH_SIGNED: &str = include_str!("../../data/legalesign/signatures/batch.rsa4096.b64");
const BATCH_SIGNED_BY_OTHER: &str = include_str!("../../data/legalesign/signatures/batch.rsa2048.b64");

/// Output of `openssl x509 -in lookalike.crt.pem -noout -fingerprint -sha256`.
const LOOKALIKE_FINGERPRINT: &str = "97d6d47ef3ca6bd6077b0087313a57a174d1f029dcaf37f4a19cb0382a3e1ee6";

/// Output of `openssl pkey -pubin -in lookalike.pub.pem -outform DER | sha256sum`.
const LOOKALIKE_KEY_FINGERPRINT: &str = "75f48a9ada113623241dd36d1014c4707d2ef8c9309541efb7e18e7a7ae150f4";

/// A time within the lookalike's validity.
const NOW: &str = "2026-06-01T00:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().expect("a valid time")
}

fn signers(entries: &[&str]) -> Signers {
    let (signers, problems) = Signers::parse(entries);
    assert_eq!(problems, []);
    signers
}

fn fingerprint(entry: &str) -> Fingerprint {
    signers(&[entry]).iter().next().expect("a signer").fingerprint()
}
