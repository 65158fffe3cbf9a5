//! The answer to an event.

use lambda_http::http::{HeaderName, HeaderValue, Response};
use serde_json::{Map, Value, json};

use crate::event::Caller;

/// The answer in the form that the caller expects.
#[must_use]
pub fn to_event(response: &Response<String>, caller: Caller) -> Value {
    let mut event = json!({
        "statusCode": response.status().as_u16(),
        "body": response.body(),
        "isBase64Encoded": false,
    });
    let (name, value_of): (_, fn(&str) -> Value) = match caller {
        Caller::LoadBalancerWithLists => ("multiValueHeaders", |value| json!([value])),
        Caller::LoadBalancer | Caller::Other => ("headers", |value| json!(value)),
    };
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        // Every header of ours is text, and occurs once.
        (name.as_str().to_owned(), value_of(value.to_str().unwrap_or_default()))
    };
    event[name] = Value::Object(response.headers().iter().map(header).collect::<Map<_, _>>());
    if caller != Caller::Other {
        event["statusDescription"] = response.status().to_string().into();
    }
    event
}
