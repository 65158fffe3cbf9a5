//! Start, first answer, warm answers, processor time and memory of everybody, in turns: in each round everybody is
//! started once, in another order, so that what else the machine does falls on all alike.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    contestants::{Contestant, Language, Programs},
    events::{Events, Sort},
    function::Function,
    services::Services,
    sizes::{self, Size},
    spread::{Spread, percentile},
};

/// The first round fills the page cache and Python's caches of bytecode, and doesn't count.
const UNCOUNTED: u64 = 1;

/// What one contestant came to. Times in milliseconds; ratios are to the empty function, round by round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// In what it is written.
    pub language: Language,
    /// Whether DynamoDB was reached through TLS.
    pub tls: bool,
    /// Whether it is a callback.
    pub callback: bool,
    /// From before the process was made to its first request for an event.
    pub to_first_request: Spread,
    /// From before the process was made to its first answer.
    pub to_first_answer: Spread,
    /// The same as multiples of the empty function's.
    pub ratio: Spread,
    /// Processor time until the first answer.
    pub first_cpu: Spread,
    /// The same as multiples of the empty function's: what a busy machine doesn't change.
    pub cpu_ratio: Spread,
    /// Warm answers: the middle one, and the slowest of a hundred.
    pub warm_p50: f64,
    /// See there.
    pub warm_p99: f64,
    /// Processor time of a warm event, one figure a round.
    pub warm_cpu: Spread,
    /// Peak memory in bytes.
    pub memory: Spread,
    /// The binary, and the zip that would be deployed.
    pub size: Option<Size>,
    /// Each round's time to the first answer, for ratios between any two.
    pub rounds: Vec<f64>,
}

#[derive(Default)]
struct Rounds {
    first_request: Vec<f64>,
    first_answer: Vec<f64>,
    first_cpu: Vec<f64>,
    warm: Vec<f64>,
    warm_cpu: Vec<f64>,
    memory: Vec<f64>,
}

/// Lets everybody run so many rounds, with so many warm events each; those of `only` beside `hello`, if it names some.
///
/// # Errors
/// When somebody fails or gives a wrong answer.
pub async fn run(programs: &Programs, rounds: u64, warm: u64, only: &[String]) -> Result<Vec<Start>> {
    let mut services = Services::start().await?;
    let table = services.table().await?;
    let tls = services.tls(&table.url).await?;
    let mut everybody = programs.contestants(&services, &table.url, &tls)?;
    everybody.retain(|one| only.is_empty() || one.name == "hello" || only.contains(&one.name));
    let mut measured: Vec<Rounds> = everybody.iter().map(|_| Rounds::default()).collect();
    for round in 0..rounds + UNCOUNTED {
        eprint!("\rround {round} of {rounds} ");
        for place in 0..everybody.len() {
            // Another one goes first in each round, and in every second the order is the other way round.
            let place = if round % 2 == 0 { place } else { everybody.len() - 1 - place };
            let index = (place + round as usize) % everybody.len();
            let (contestant, run) = (&everybody[index], round * 100 + index as u64);
            let events = Events::new(&services.secrets, run);
            let mut uncounted = Rounds::default();
            let rounds = if round < UNCOUNTED { &mut uncounted } else { &mut measured[index] };
            one(contestant, &services, &events, warm, rounds).await.with_context(|| contestant.name.clone())?;
        }
    }
    eprintln!();
    let hello = (measured[0].first_answer.clone(), measured[0].first_cpu.clone());
    let starts = everybody.iter().zip(measured);
    starts.map(|(contestant, rounds)| summary(contestant, rounds, (&hello.0, &hello.1))).collect()
}

async fn one(
    contestant: &Contestant,
    services: &Services,
    events: &Events<'_>,
    warm: u64,
    rounds: &mut Rounds,
) -> Result<()> {
    // Made before the clock starts.
    let made: Vec<_> = (0..=warm).map(|number| events.event(contestant.sort, number)).collect::<Result<_>>()?;
    let mut made = made.into_iter();
    let mut function = Function::start(&contestant.program, &services.log(&contestant.name)).await?;
    let (first, answer) = function.call(made.next().context("an event")?).await?;
    check(contestant, &answer)?;
    rounds.first_request.push(milliseconds(function.started_in));
    rounds.first_answer.push(milliseconds(function.started_in + first));
    let before = function.cpu()?;
    rounds.first_cpu.push(milliseconds(before));
    for event in made {
        let (time, answer) = function.call(event).await?;
        check(contestant, &answer)?;
        rounds.warm.push(milliseconds(time));
    }
    rounds.warm_cpu.push(milliseconds(function.cpu()? - before) / warm as f64);
    rounds.memory.push(function.peak_memory()? as f64);
    function.end().await
}

/// A function that refuses everything is fast.
fn check(contestant: &Contestant, answer: &[u8]) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    let right = match contestant.sort {
        _ if contestant.name == "hello" => answer["statusCode"] == 200,
        Sort::NothingDue => answer["batchItemFailures"].as_array().is_some_and(Vec::is_empty),
        Sort::Sweep => answer["still_unfinished"] == 0,
        Sort::Subscribe => answer.is_object(),
        Sort::Batch(_) | Sort::Realtime | Sort::Quicklysign | Sort::Signeasy => {
            let body = answer["body"].as_str().unwrap_or_default();
            answer["statusCode"] == 200 && body.contains("\"recorded\"")
        }
    };
    ensure!(right, "a wrong answer: {answer}");
    Ok(())
}

fn summary(contestant: &Contestant, rounds: Rounds, hello: (&[f64], &[f64])) -> Result<Start> {
    let spread = |values: &[f64]| Spread::of(values).context("no rounds");
    let size = match (contestant.language, contestant.program.command.first()) {
        (Language::Rust, Some(file)) => Some(sizes::of(file.as_ref())?),
        _ => None,
    };
    Ok(Start {
        name: contestant.name.clone(),
        language: contestant.language,
        tls: contestant.tls,
        callback: contestant.callback,
        to_first_request: spread(&rounds.first_request)?,
        to_first_answer: spread(&rounds.first_answer)?,
        ratio: Spread::of_ratios(&rounds.first_answer, hello.0).context("no rounds")?,
        first_cpu: spread(&rounds.first_cpu)?,
        cpu_ratio: Spread::of_ratios(&rounds.first_cpu, hello.1).context("no rounds")?,
        warm_p50: percentile(&rounds.warm, 50.0),
        warm_p99: percentile(&rounds.warm, 99.0),
        warm_cpu: spread(&rounds.warm_cpu)?,
        memory: spread(&rounds.memory)?,
        size,
        rounds: rounds.first_answer,
    })
}

/// In milliseconds.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
