//! The answers to senders, row by row of the documented table, and what is stored in each case.

mod gateway;
mod hostile_requests;
mod outages;
mod proven;
mod random_requests;
mod rejected;
mod secrets;

use countersign::settings::{Problems, Settings};
use end_to_end::{Answer, DirectFunctions, Stored};
use quicklysign_callback::Function;
use serde_json::{Value, json};

/// Starts the function with changed settings.
async fn function(functions: &DirectFunctions, changes: &[(&str, &str)]) -> Function {
    start(functions, functions.settings_with(changes)).await
}

async fn start(functions: &DirectFunctions, settings: Result<Settings, Problems>) -> Function {
    Function::start(settings, &functions.aws).await
}

async fn call(function: &Function, request: http::Request<bytes::Bytes>) -> Answer {
    Answer::of_function(&function.handle(request).await)
}

/// The whole body of an answer if nothing was stored. It repeats nothing of the request.
fn answer_without_delivery(outcome: &str, reason: &str) -> Value {
    json!({"delivery": null, "outcome": outcome, "events": 0, "reason": reason})
}

/// The whole body of an answer if the request was stored.
fn answer_with_delivery(answer: &Answer, outcome: &str, events: u32, reason: &str) -> Value {
    json!({"delivery": answer.delivery(), "outcome": outcome, "events": events, "reason": reason})
}

/// Nothing but traces of rejected requests is stored.
async fn assert_nothing_is_stored(functions: &DirectFunctions) {
    assert_eq!(functions.items_without_rejections().await, []);
    assert_eq!(functions.keys().await, [""; 0]);
}
