//! What the console's buttons do: make an archive order due again, take a refused request in that can be proven by now,
//! and send a documented callback to the local stack.
//!
//! A form is answered with the address to go to, as browsers expect; the script asks for the same and stays where it
//! is, so both see what came of it.

use axum::{
    Form,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::{delivery::DeliveryId, provider::Provider, replay::Replay as Replayer, subject::SubjectId};
use serde::Deserialize;

use super::{
    Console, pages, triggers,
    view::{self, Problem},
};

#[derive(Deserialize)]
pub struct Retry {
    form_token: String,
    provider: String,
    kind: String,
    id: String,
}

/// `POST /archive/retry`
pub async fn retry(State(console): State<Console>, Form(form): Form<Retry>) -> Response {
    answer(&console, do_retry(&console, &form).await)
}

async fn do_retry(console: &Console, form: &Retry) -> Result<String, Problem> {
    check_may_change(console)?;
    check_form_token(console, &form.form_token)?;
    const NOTHING: Problem = Problem::NotFound("There is no archive order of this document.");
    let subject = view::subject(&form.provider, &form.kind, &form.id).ok_or(NOTHING)?;
    if !console.ledger.retry(&subject).await? {
        return Err(NOTHING);
    }
    Ok(view::timeline_path(subject.provider, subject.kind, subject.id.as_str()))
}

#[derive(Deserialize)]
pub struct Replay {
    form_token: String,
    id: String,
}

/// `POST /quarantine/replay`
pub async fn replay(State(console): State<Console>, Form(form): Form<Replay>) -> Response {
    answer(&console, do_replay(&console, &form).await)
}

async fn do_replay(console: &Console, form: &Replay) -> Result<String, Problem> {
    check_may_change(console)?;
    let Some(settings) = &console.options.settings else {
        return Err(Problem::Forbidden("This console doesn't know the stack's secrets; start it with --stack."));
    };
    check_form_token(console, &form.form_token)?;
    const NOTHING: Problem = Problem::NotFound("No such request is in quarantine.");
    let id: DeliveryId = form.id.parse().map_err(|_| NOTHING)?;
    // Made anew each time: a secret that was corrected a moment ago is to count.
    let replayed = Replayer::new(settings, &console.options.aws).refused(&id).await?.ok_or(NOTHING)?;
    match replayed.problem {
        None => Ok(format!("/deliveries/{id}")),
        Some(problem) => Err(Problem::Refused(format!("It still can't be proven: {problem}."))),
    }
}

#[derive(Deserialize)]
pub struct Trigger {
    form_token: String,
    provider: String,
    event: String,
    #[serde(default)]
    id: String,
}

/// `POST /trigger`
pub async fn trigger(State(console): State<Console>, Form(form): Form<Trigger>) -> Response {
    answer(&console, do_trigger(&console, &form).await)
}

async fn do_trigger(console: &Console, form: &Trigger) -> Result<String, Problem> {
    let Some(gateway) = &console.options.gateway else {
        return Err(Problem::Forbidden("Callbacks can be sent to a local stack only."));
    };
    check_form_token(console, &form.form_token)?;
    let provider: Provider = form.provider.parse().map_err(|_| Problem::BadRequest("there is no such service"))?;
    let id = match form.id.trim() {
        "" => None,
        id => Some(
            SubjectId::parse(id)
                .map_err(|_| Problem::BadRequest("an id must be 1 to 200 characters of A-Z, a-z, 0-9, _ and -"))?,
        ),
    };
    let delivery = triggers::send(gateway, provider, &form.event, id).await?;
    Ok(delivery.map_or_else(|| "/".to_owned(), |delivery| format!("/deliveries/{delivery}")))
}

fn check_may_change(console: &Console) -> Result<(), Problem> {
    if console.options.allow_retry {
        Ok(())
    } else {
        Err(Problem::Forbidden("This console is read-only; start it with --allow-retry to retry and replay."))
    }
}

fn check_form_token(console: &Console, given: &str) -> Result<(), Problem> {
    if console.guard.is_form_token(given) {
        Ok(())
    } else {
        Err(Problem::Forbidden("This page is from before the console was started: load it again."))
    }
}

fn answer(console: &Console, done: Result<String, Problem>) -> Response {
    match done {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(problem) => pages::problem(console, &problem),
    }
}
