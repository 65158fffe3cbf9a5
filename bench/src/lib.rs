//! The measured steps, shared by the microbenchmarks and the instruction counts.

use std::hint::black_box;

use aws_config::SdkConfig;
use bytes::Bytes;
use countersign::{
    aws::{Aws, behavior_version},
    domain::{Envelope, Proven, Provider, Route, Unproven},
    form::Form,
    proof::signature::Signers,
    providers::{Services, unset_settings},
    settings::SecretSource,
};
use countersign_cli::simulator::{legalesign::posts, signing::SigningKey};
use futures::FutureExt;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

/// Numbers of entries in a batch.
pub const SIZES: [usize; 3] = [1, 100, 20_000];

const TOKEN: &str = "a-path-token-of-some-length";

/// A signed batch, with the inputs of all steps.
pub struct Batch {
    body: Bytes,
    data: Bytes,
    signature: Bytes,
    signers: Signers,
    services: Services,
    delivery: Proven,
}

/// A step of processing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Verifies the signature over the bytes of `data`.
    Verify,
    /// Decodes the form's fields.
    Form,
    /// Parses the entries into events.
    Read,
    /// Parses the entries into events, and computes their ids and keys.
    Identify,
}

impl Step {
    /// All steps, in their order.
    pub const ALL: [Self; 4] = [Self::Verify, Self::Form, Self::Read, Self::Identify];
}

impl Batch {
    /// Generates a batch with this number of entries.
    ///
    /// # Panics
    /// When the operating system provides no random numbers.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without valid input there is nothing to measure")]
    pub fn of(entries: usize) -> Self {
        let key = SigningKey::generate().expect("a key");
        let subjects = entries.div_ceil(20);
        let entries: Vec<_> = (0..entries)
            .map(|n| {
                let at = Timestamp::from_second(1_521_500_000 + (n / subjects) as i64).expect("a time");
                posts::status("document", &format!("6ecb3dd4-2d0b-11e8-b96c-{:012}", n % subjects), 20, at)
            })
            .collect();
        let data = json!(entries).to_string();
        let post = posts::batch(&key, &data).expect("a signature");
        let form = Form::read(None, &post.body).expect("a form");
        let signature = form.one("signed").expect("a signature").clone();
        let (signers, _) = Signers::parse(&[key.certificate()]);
        let mut settings = unset_settings();
        let proof = json!({"url_tokens": [TOKEN], "certificates": [key.certificate()]});
        settings.set_proof(Provider::Legalesign, SecretSource::Inline(proof.to_string().into()));
        let aws = Aws::new(&SdkConfig::builder().behavior_version(behavior_version()).build(), true);
        let services = Services::start(&settings, &aws);
        let token = SecretString::from(TOKEN);
        let now = Timestamp::now();
        let request = Unproven::new(Route::LegalesignBatch, token, Envelope::default(), post.body.clone(), now);
        let verified = services.of(Provider::Legalesign).verify(request).now_or_never();
        let delivery = verified.expect("an inline secret needs no I/O").ok().expect("a valid signature");
        Self { body: post.body, data: data.into(), signature, signers, services, delivery }
    }

    /// The posted form's size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Runs one step. Returns a number that depends on the result, so that the step isn't optimised away.
    ///
    /// # Panics
    /// When the step fails.
    #[must_use]
    #[inline(never)]
    #[expect(clippy::expect_used, reason = "a failing step must not be measured")]
    pub fn measured(&self, step: Step) -> usize {
        match step {
            Step::Verify => {
                let proof =
                    self.signers.verify_sha1(black_box(&self.data), &self.signature, self.delivery.received_at());
                usize::from(proof.is_ok())
            }
            Step::Form => Form::read(None, black_box(&self.body)).expect("a form").one("data").expect("data").len(),
            Step::Read => self.services.read(black_box(&self.delivery)).expect("a batch").events.len(),
            Step::Identify => {
                let reading = self.services.read(black_box(&self.delivery)).expect("a batch");
                reading.events.iter().map(|event| event.sort_key(self.delivery.trust()).len()).sum()
            }
        }
    }
}
