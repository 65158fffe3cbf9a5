//! What the microbenchmarks and the instruction counts measure, so that both measure the same.

use std::hint::black_box;

use bytes::Bytes;
use countersign::{
    delivery::{Envelope, OwnProof, Proven, Route, Unproven},
    form::Form,
    providers,
    signature::Signers,
    token::Tokens,
};
use countersign_cli::simulator::{legalesign::posts, signing::SigningKey};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

/// Entries of a batch.
pub const SIZES: [usize; 3] = [1, 100, 20_000];

const TOKEN: &str = "a-path-token-of-some-length";

/// A signed batch, and what is done with it.
pub struct Batch {
    body: Bytes,
    data: Bytes,
    signature: Bytes,
    signers: Signers,
    delivery: Proven,
}

/// A step of taking it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The signature, over the bytes of `data`.
    Verify,
    /// The form's fields, percent-decoded.
    Form,
    /// The entries, as events.
    Read,
    /// The entries, as events with their ids and keys.
    Identify,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Verify, Self::Form, Self::Read, Self::Identify];
}

impl Batch {
    /// One of so many entries.
    ///
    /// # Panics
    /// When the operating system gives no random numbers.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what is made here is right, or there is nothing to measure")]
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
        let post = posts::batch(&key, &data);
        let form = Form::read(None, &post.body).expect("a form");
        let signature = form.one("signed").expect("a signature").clone();
        let (signers, _) = Signers::parse(&[key.certificate()]);
        let token = SecretString::from(TOKEN);
        let tokens = Tokens::new(std::slice::from_ref(&token)).expect("a token");
        let now = Timestamp::now();
        let request = Unproven::new(Route::LegalesignBatch, token, Envelope::default(), post.body.clone(), now);
        let delivery = request.address(&tokens).ok().expect("the right token").prove(OwnProof::PathTokenOnly);
        Self { body: post.body, data: data.into(), signature, signers, delivery }
    }

    /// The posted form's size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Does one step; something of the result, so that none of it is optimised away.
    ///
    /// # Panics
    /// When the step fails.
    #[must_use]
    #[inline(never)]
    #[expect(clippy::expect_used, reason = "what fails isn't worth measuring")]
    pub fn measured(&self, step: Step) -> usize {
        match step {
            Step::Verify => {
                let proof =
                    self.signers.verify_sha1(black_box(&self.data), &self.signature, self.delivery.received_at());
                usize::from(proof.is_ok())
            }
            Step::Form => Form::read(None, black_box(&self.body)).expect("a form").one("data").expect("data").len(),
            Step::Read => providers::read(black_box(&self.delivery)).expect("a batch").events.len(),
            Step::Identify => {
                let reading = providers::read(black_box(&self.delivery)).expect("a batch");
                reading.events.iter().map(|event| event.sort_key(self.delivery.trust()).len()).sum()
            }
        }
    }
}
