//! Proven deliveries without a function: the values that a function has before it stores anything. Each is proven by its
//! service's own `verify`, because nothing else can make one.

use aws_config::SdkConfig;
use bytes::Bytes;
use countersign::{
    aws::{Aws, behavior_version},
    domain::{Envelope, Proven, Provider, Route, Unproven},
    providers::{Services, unset_settings},
    settings::{SecretSource, Settings},
    time,
};
use futures::FutureExt;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::task::coop::unconstrained;

use super::PATH_TOKEN;
use crate::signeasy;

/// A public key of the test data, and its signature of an empty message.
const SIGNER: &str = include_str!("../../../shared/tests/data/legalesign/lookalike.pub.pem");
const SIGNATURE_OF_NOTHING: &str = include_str!("../../../shared/tests/data/legalesign/signatures/empty.rsa4096.b64");

/// A delivery that was received at this time and is proven by its path token. The route must be one whose callbacks need
/// no other proof.
#[must_use]
pub fn delivery_at(received_at: Timestamp, route: Route, body: impl Into<Bytes>) -> Proven {
    let proof = json!({"url_tokens": [PATH_TOKEN]});
    prove(received_at, route, body.into(), with_proof(&unset_settings(), route.provider(), &proof))
}

/// A delivery that was received now and is proven by its path token.
#[must_use]
pub fn delivery(route: Route, body: impl Into<Bytes>) -> Proven {
    delivery_at(time::now(), route, body)
}

/// A batch of Legalesign that was received now and is proven by its signature, of an empty message.
#[must_use]
pub fn signed_delivery() -> Proven {
    let proof = json!({"url_tokens": [PATH_TOKEN], "certificates": [SIGNER]});
    let settings = with_proof(&unset_settings(), Provider::Legalesign, &proof);
    let body = format!("data=&signed={}", utf8_percent_encode(SIGNATURE_OF_NOTHING.trim(), NON_ALPHANUMERIC));
    prove(time::now(), Route::LegalesignBatch, body.into(), settings)
}

/// A batch of Legalesign that was received at this time and is proven by its signature. `certificate` is the signer's.
#[must_use]
pub fn signed_batch(received_at: Timestamp, body: impl Into<Bytes>, certificate: &str) -> Proven {
    let proof = json!({"url_tokens": [PATH_TOKEN], "certificates": [certificate]});
    prove(received_at, Route::LegalesignBatch, body.into(), with_proof(&unset_settings(), Provider::Legalesign, &proof))
}

/// A delivery of SignEasy that was received now and is proven by the token in its body, which is removed from it.
#[must_use]
pub fn signeasy_delivery(settings: &Settings, body: impl Into<Bytes>) -> Proven {
    let proof = json!({"url_tokens": [PATH_TOKEN], "tokens": [signeasy::TOKEN]});
    prove(time::now(), Route::Signeasy, body.into(), with_proof(settings, Provider::Signeasy, &proof))
}

/// The services without settings, to read deliveries with.
#[must_use]
pub fn services() -> Services {
    Services::without_settings(&aws())
}

fn aws() -> Aws {
    Aws::new(&SdkConfig::builder().behavior_version(behavior_version()).build(), true)
}

fn with_proof(settings: &Settings, provider: Provider, proof: &Value) -> Settings {
    let mut settings = settings.clone();
    settings.set_proof(provider, SecretSource::Inline(proof.to_string().into()));
    settings
}

#[expect(clippy::needless_pass_by_value, reason = "made for this call")]
fn prove(received_at: Timestamp, route: Route, body: Bytes, settings: Settings) -> Proven {
    let request = Unproven::new(route, PATH_TOKEN.into(), Envelope::default(), body, received_at);
    let services = Services::verifying(&settings, &aws());
    // Unconstrained: after many deliveries in one task, Tokio would make the future yield.
    let verified = unconstrained(services.of(route.provider()).verify(request)).now_or_never();
    verified.expect("an inline secret needs no I/O").ok().expect("a valid proof")
}
