//! The actions of the console's buttons: retry an archive job, replay a rejected request, and send a documented
//! callback to the local stack.
//!
//! The answer to a form is a redirect to the result's page, as browsers expect. The script sends the same request,
//! ignores the redirect and stays on its page, so that both see the outcome.

use axum::{
    Form,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::{
    domain::{DeliveryId, Provider, SubjectId},
    replay::Replay as Replayer,
};
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
    const NO_JOB: Problem = Problem::NotFound("This document has no archive job.");
    let subject = view::subject(&form.provider, &form.kind, &form.id).ok_or(NO_JOB)?;
    if !console.ledger.retry(&subject).await? {
        return Err(NO_JOB);
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
        return Err(Problem::Forbidden("This console doesn't have the stack's secrets. Start it with --stack."));
    };
    check_form_token(console, &form.form_token)?;
    const NOTHING: Problem = Problem::NotFound("No such request is in quarantine.");
    let id: DeliveryId = form.id.parse().map_err(|_| NOTHING)?;
    // Made anew each time: a secret that was corrected a moment ago is to count.
    let replayed = Replayer::new(settings, &console.options.aws).rejected(&id).await?.ok_or(NOTHING)?;
    match replayed.problem {
        None => Ok(format!("/deliveries/{id}")),
        Some(problem) => Err(Problem::Rejected(format!("The request still can't be proven: {problem}."))),
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
    let provider: Provider = form.provider.parse().map_err(|_| Problem::BadRequest("unknown service"))?;
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
        Err(Problem::Forbidden("This console is read-only. Start it with --allow-retry to retry and replay."))
    }
}

fn check_form_token(console: &Console, given: &str) -> Result<(), Problem> {
    if console.guard.is_form_token(given) {
        Ok(())
    } else {
        Err(Problem::Forbidden("The console was restarted after this page was loaded. Reload the page."))
    }
}

fn answer(console: &Console, result: Result<String, Problem>) -> Response {
    match result {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(problem) => pages::problem(console, &problem),
    }
}
