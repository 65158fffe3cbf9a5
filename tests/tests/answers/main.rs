//! What a sender is answered, row by row of the table of answers, and what is stored then.

mod gateway;
mod hostile;
mod kept;
mod outages;
mod refused;
mod secrets;

use countersign::settings::{Problems, Settings};
use end_to_end::{
    Answer,
    bench::{self, Bench},
};
use quicklysign_callback::Function;
use serde_json::{Value, json};

/// Starts the function with other settings than usual.
async fn function(bench: &Bench, changes: &[(&str, &str)]) -> Function {
    start(bench, bench.settings_with(changes)).await
}

async fn start(bench: &Bench, settings: Result<Settings, Problems>) -> Function {
    Function::start(settings, &bench.aws).await
}

async fn call(function: &Function, request: lambda_http::Request) -> Answer {
    bench::answer(function.handle(request).await)
}

/// The whole body of an answer to a request of which nothing was kept: so it repeats nothing of the request.
fn nothing_kept(outcome: &str, reason: &str) -> Value {
    json!({"delivery": null, "outcome": outcome, "events": 0, "reason": reason})
}

/// The whole body of an answer to a request that was kept.
fn kept(answer: &Answer, outcome: &str, events: u32, reason: &str) -> Value {
    json!({"delivery": answer.delivery(), "outcome": outcome, "events": events, "reason": reason})
}

/// But that somebody was refused.
async fn assert_nothing_is_stored(bench: &Bench) {
    assert_eq!(bench.believed().await, []);
    assert_eq!(bench.keys().await, [""; 0]);
}
