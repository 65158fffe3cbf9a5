//! Start, first answer, warm answers, processor time and memory of all programs. In each round every program is started
//! once, each round in another order, so that other load on the machine affects all of them equally.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    contestants::{Contestant, Language, Programs},
    events::{EventKind, Events},
    function::Function,
    services::Services,
    sizes::{self, Size},
    spread::{Spread, percentile},
};

/// Number of warm-up rounds, which don't count: they fill the page cache and Python's bytecode caches.
const WARM_UP: u64 = 1;

/// The result of one program. Times in milliseconds. Ratios are to the empty function, round by round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// Whether it reached DynamoDB through TLS.
    pub tls: bool,
    /// Whether it receives callbacks.
    pub callback: bool,
    /// Time from before the process was spawned to its first request for an event.
    pub to_first_request: Spread,
    /// Time from before the process was spawned to its first answer.
    pub to_first_answer: Spread,
    /// `to_first_answer` as a multiple of the empty function's.
    pub ratio: Spread,
    /// Processor time until the first answer.
    pub first_cpu: Spread,
    /// `first_cpu` as a multiple of the empty function's. It doesn't depend on the machine's load.
    pub cpu_ratio: Spread,
    /// Median of the times of warm answers.
    pub warm_p50: f64,
    /// 99th percentile of the times of warm answers.
    pub warm_p99: f64,
    /// Processor time of a warm event: the mean of each round.
    pub warm_cpu: Spread,
    /// Peak memory in bytes.
    pub memory: Spread,
    /// Sizes of the binary and of the deployed zip; `None` for the peers.
    pub size: Option<Size>,
    /// Each round's time to the first answer, for ratios between any two programs.
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

/// Measures all programs, or only `hello` and those in `only` unless it is empty. Each start has a first event and
/// `warm` further events.
///
/// # Errors
/// When a program fails or gives a wrong answer.
pub async fn run(programs: &Programs, rounds: u64, warm: u64, only: &[String]) -> Result<Vec<Start>> {
    let mut services = Services::start().await?;
    let table = services.table().await?;
    let tls = services.tls(&table.url).await?;
    let mut contestants = programs.contestants(&services, &table.url, &tls)?;
    contestants.retain(|one| only.is_empty() || one.name == "hello" || only.contains(&one.name));
    let mut measured: Vec<Rounds> = contestants.iter().map(|_| Rounds::default()).collect();
    for round in 0..rounds + WARM_UP {
        eprint!("\rround {round} of {rounds} ");
        for position in 0..contestants.len() {
            // Each round begins with another program, and every second round has the reverse order.
            let position = if round % 2 == 0 { position } else { contestants.len() - 1 - position };
            let index = (position + round as usize) % contestants.len();
            let (contestant, run) = (&contestants[index], round * 100 + index as u64);
            let events = Events::new(&services.secrets, run);
            let mut warm_up = Rounds::default();
            let rounds = if round < WARM_UP { &mut warm_up } else { &mut measured[index] };
            measure(contestant, &services, &events, warm, rounds).await.with_context(|| contestant.name.clone())?;
        }
    }
    eprintln!();
    let hello = (measured[0].first_answer.clone(), measured[0].first_cpu.clone());
    let starts = contestants.iter().zip(measured);
    starts.map(|(contestant, rounds)| summary(contestant, rounds, (&hello.0, &hello.1))).collect()
}

/// Starts the program once, and adds its measurements to `rounds`.
async fn measure(
    contestant: &Contestant,
    services: &Services,
    events: &Events<'_>,
    warm: u64,
    rounds: &mut Rounds,
) -> Result<()> {
    // Generated before the measurement starts.
    let events: Vec<_> = (0..=warm).map(|number| events.event(contestant.kind, number)).collect::<Result<_>>()?;
    let mut events = events.into_iter();
    let mut function = Function::start(&contestant.program, &services.log(&contestant.name)).await?;
    let (first, answer) = function.call(events.next().context("an event")?).await?;
    check(contestant, &answer)?;
    rounds.first_request.push(milliseconds(function.started_in));
    rounds.first_answer.push(milliseconds(function.started_in + first));
    let before = function.cpu()?;
    rounds.first_cpu.push(milliseconds(before));
    for event in events {
        let (time, answer) = function.call(event).await?;
        check(contestant, &answer)?;
        rounds.warm.push(milliseconds(time));
    }
    rounds.warm_cpu.push(milliseconds(function.cpu()? - before) / warm as f64);
    rounds.memory.push(function.peak_memory()? as f64);
    function.end().await
}

/// Checks the answer, because a function that rejects everything is fast.
fn check(contestant: &Contestant, answer: &[u8]) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer)?;
    let correct = match contestant.kind {
        _ if contestant.name == "hello" => answer["statusCode"] == 200,
        EventKind::NothingDue => answer["batchItemFailures"].as_array().is_some_and(Vec::is_empty),
        EventKind::Sweep => answer["still_unfinished"] == 0,
        EventKind::Subscribe => answer.is_object(),
        EventKind::Batch(_) | EventKind::Realtime | EventKind::Quicklysign | EventKind::Signeasy => {
            let body = answer["body"].as_str().unwrap_or_default();
            answer["statusCode"] == 200 && body.contains("\"recorded\"")
        }
    };
    ensure!(correct, "a wrong answer: {answer}");
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

/// Converts a duration to milliseconds.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
