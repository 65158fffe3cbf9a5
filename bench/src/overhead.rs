//! The overhead of a callback beyond its necessary DynamoDB calls: the same events are sent, in turns, to a function
//! and to `bare`, which only repeats the function's recorded calls.

use std::{ffi::OsString, fs, time::Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use countersign::proof::signature::Signers;
use countersign_cli::stack::Secrets;
use serde::{Deserialize, Serialize};

use crate::{
    capture::{Call, Capture},
    contestants::{Language, Programs},
    events::{EventKind, Events},
    function::{Function, Program},
    services::Services,
    spread::Spread,
    starts::milliseconds,
};

/// A callback's DynamoDB calls, and its processor time compared with theirs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overhead {
    /// The function's name.
    pub name: String,
    /// The function's language.
    pub language: Language,
    /// Number of DynamoDB calls for one callback.
    pub calls: f64,
    /// Number of rounds in which they are made: calls of a round are concurrent.
    #[serde(default)]
    pub rounds: f64,
    /// Write units of one callback, including the index.
    pub write_units: f64,
    /// Read units of one callback.
    pub read_units: f64,
    /// Processor time of a warm callback, in milliseconds.
    pub cpu: Spread,
    /// `bare`'s processor time with the same calls. `None` for the peers.
    pub bare: Option<Spread>,
    /// `hello`'s processor time. `None` for the peers.
    pub hello: Option<Spread>,
    /// Processor time without the SDK's calls and the signature, as a multiple of the empty function's, round by round.
    /// Both `bare` and `hello` read an event and answer, so the difference between them is the time of the calls. The
    /// result is a small difference of large numbers: if the lower quartile is negative, the machine was too busy.
    pub rest: Option<Spread>,
    /// Milliseconds to verify a signature with a throw-away key of 2,048 bits; 0 for callbacks without a signature.
    pub signature: f64,
    /// The first answer compared with its calls. `None` for the peers.
    pub first: Option<FirstAnswer>,
}

/// Times from before a process is spawned to its first answer, with TLS: of the function, of `bare` with the same
/// calls, and of `hello`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FirstAnswer {
    /// The function's time in milliseconds.
    pub ours: Spread,
    /// The time of only its calls (`bare`), in milliseconds.
    pub bare: Spread,
    /// `ours` divided by `bare`, start by start.
    pub beside_bare: Spread,
    /// `bare` divided by `hello`'s time, start by start: the lower bound with these calls and this SDK.
    pub floor: Spread,
}

/// The callback functions and the kinds of their events.
const FUNCTIONS: [(&str, EventKind); 4] = [
    ("quicklysign-callback", EventKind::Quicklysign),
    ("signeasy-callback", EventKind::Signeasy),
    ("v1-realtime", EventKind::Realtime),
    ("v1-batch", EventKind::Batch(1)),
];

/// Number of warm-up events of each process, which don't count: they open connections.
const WARM_UP: usize = 10;

/// Number of starts of each program in each round.
const STARTS: usize = 4;

/// Measures every callback function, with this number of events in each round, and the peers' calls.
///
/// # Errors
/// When one fails.
pub async fn run(programs: &Programs, rounds: u64, events: usize) -> Result<Vec<Overhead>> {
    let mut services = Services::start().await?;
    let signature = signature(&services.secrets)?;
    let mut all = Vec::new();
    for (name, kind) in FUNCTIONS {
        eprintln!("{name}: its calls, and its processor time compared with theirs");
        let file = vec![programs.function(name).into()];
        let (mut cpu, mut bare, mut hello) = (Vec::new(), Vec::new(), Vec::new());
        let mut first: [Vec<f64>; 3] = Default::default();
        let mut recorded = Vec::new();
        for round in 0..rounds {
            let inputs = Events::new(&services.secrets, round);
            let inputs: Vec<_> =
                (0..(events + WARM_UP) as u64).map(|n| inputs.event(kind, n)).collect::<Result<_>>()?;

            let table = services.table().await?;
            let capture = Capture::start(&table.url).await?;
            let program = Program { command: file.clone(), environment: services.environment(&capture.url) };
            let mut function = Function::start(&program, &services.log(name)).await?;
            recorded = Vec::with_capacity(inputs.len());
            for event in &inputs {
                function.call(event.clone()).await?;
                recorded.push(capture.take());
            }
            function.end().await?;

            let measure = async |command: Vec<_>, calls: Option<&str>| -> Result<f64> {
                let table = services.table().await?;
                let mut environment = services.environment(&table.url);
                environment.extend(calls.map(|file| ("BARE_CALLS".to_owned(), file.to_owned())));
                let mut function =
                    Function::start(&Program { command, environment }, &services.log("overhead")).await?;
                let mut before = function.cpu()?;
                for (number, event) in inputs.iter().enumerate() {
                    if number == WARM_UP {
                        before = function.cpu()?;
                    }
                    function.call(event.clone()).await?;
                }
                let spent = milliseconds(function.cpu()? - before) / events as f64;
                function.end().await?;
                Ok(spent)
            };
            let calls = services.folder.path().join("calls.jsonl");
            let lines: Vec<String> = recorded.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
            fs::write(&calls, lines.join("\n"))?;
            cpu.push(measure(file.clone(), None).await?);
            bare.push(measure(vec![programs.own("bare").into()], calls.to_str()).await?);
            hello.push(measure(vec![programs.own("hello").into()], None).await?);

            // Only the first event's calls, because `bare` builds the calls of all events in its file before it
            // requests its first event.
            let event = inputs.first().context("an event")?;
            let first_calls = services.folder.path().join("first-calls.jsonl");
            fs::write(&first_calls, lines.first().context("an event")?)?;
            for start in 0..STARTS {
                let bare = vec![programs.own("bare").into()];
                let hello = vec![programs.own("hello").into()];
                let mut programs = [&file, &bare, &hello].into_iter().zip(&mut first);
                // In turns, in alternating directions.
                for _ in 0..3 {
                    let next = if start % 2 == 0 { programs.next() } else { programs.next_back() };
                    let (command, times) = next.context("three")?;
                    times.push(first_answer(&mut services, command, first_calls.to_str(), event).await?);
                }
            }
        }
        let signature = if matches!(kind, EventKind::Realtime | EventKind::Batch(_)) { signature } else { 0.0 };
        let rest = |((cpu, bare), hello): ((&f64, &f64), &f64)| (cpu - (bare - hello) - signature) / hello;
        let rest: Vec<f64> = cpu.iter().zip(&bare).zip(&hello).map(rest).collect();
        all.push(Overhead {
            rest: Spread::of(&rest),
            bare: Spread::of(&bare),
            hello: Spread::of(&hello),
            signature,
            first: compare(&first),
            ..calls_and_cpu(name, Language::Rust, &recorded, &cpu)?
        });
    }
    for (language, handler, kind) in [
        (Language::Python, "callback", EventKind::Quicklysign),
        (Language::Python, "guaranteed", EventKind::Quicklysign),
        (Language::Python, "batch", EventKind::Batch(1)),
        (Language::Node, "callback", EventKind::Quicklysign),
        (Language::Node, "batch", EventKind::Batch(1)),
    ] {
        let table = services.table().await?;
        let capture = Capture::start(&table.url).await?;
        let environment = services.environment(&capture.url);
        let program = Program { command: programs.peer(language, handler), environment };
        let mut function = Function::start(&program, &services.log(handler)).await?;
        let inputs = Events::new(&services.secrets, 0);
        let (mut recorded, mut before) = (Vec::new(), function.cpu()?);
        for number in 0..events + WARM_UP {
            if number == WARM_UP {
                before = function.cpu()?;
            }
            function.call(inputs.event(kind, number as u64)?).await?;
            recorded.push(capture.take());
        }
        let cpu = [milliseconds(function.cpu()? - before) / events as f64];
        function.end().await?;
        let name = format!("{}-{handler}", if language == Language::Python { "python" } else { "node" });
        all.push(calls_and_cpu(&name, language, &recorded, &cpu)?);
    }
    Ok(all)
}

/// Milliseconds from before the process is spawned to its first answer, with TLS and an empty table.
async fn first_answer(
    services: &mut Services,
    command: &[OsString],
    calls: Option<&str>,
    event: &Bytes,
) -> Result<f64> {
    let table = services.table().await?;
    let tls = services.tls(&table.url).await?;
    let mut environment = services.environment_through(&tls);
    environment.extend(calls.map(|file| ("BARE_CALLS".to_owned(), file.to_owned())));
    let program = Program { command: command.to_vec(), environment };
    let mut function = Function::start(&program, &services.log("first")).await?;
    let (time, _) = function.call(event.clone()).await?;
    let time = milliseconds(function.started_in + time);
    function.end().await?;
    Ok(time)
}

fn compare([ours, bare, hello]: &[Vec<f64>; 3]) -> Option<FirstAnswer> {
    Some(FirstAnswer {
        ours: Spread::of(ours)?,
        bare: Spread::of(bare)?,
        beside_bare: Spread::of_ratios(ours, bare)?,
        floor: Spread::of_ratios(bare, hello)?,
    })
}

/// The mean calls per event, and the processor time. Warm-up events don't count here either, because the first events
/// of a process make more calls (the certificate is stored once).
fn calls_and_cpu(name: &str, language: Language, recorded: &[Vec<Call>], cpu: &[f64]) -> Result<Overhead> {
    let counted = &recorded[WARM_UP.min(recorded.len())..];
    let mean = |of: fn(&Call) -> f64| counted.iter().flatten().map(of).sum::<f64>() / counted.len() as f64;
    Ok(Overhead {
        name: name.to_owned(),
        language,
        calls: mean(|_| 1.0),
        rounds: counted.iter().map(|calls| rounds(calls)).sum::<f64>() / counted.len() as f64,
        write_units: mean(|call| call.write_units),
        read_units: mean(|call| call.read_units),
        cpu: Spread::of(cpu).context("no rounds")?,
        bare: None,
        hello: None,
        rest: None,
        signature: 0.0,
        first: None,
    })
}

/// The number of rounds of an event's calls.
fn rounds(calls: &[Call]) -> f64 {
    calls.iter().map(|call| call.round + 1).max().unwrap_or_default() as f64
}

/// Milliseconds to verify the signature of a small message.
fn signature(secrets: &Secrets) -> Result<f64> {
    const TIMES: u32 = 2_000;
    let key = secrets.signing_key()?;
    let (signers, _) = Signers::parse(&[key.certificate()]);
    let (message, now) = ([b'x'; 150], jiff::Timestamp::now());
    let signature = key.sign(&message)?;
    let start = Instant::now();
    for _ in 0..TIMES {
        drop(signers.verify_sha1(std::hint::black_box(&message), signature.as_bytes(), now)?);
    }
    Ok(milliseconds(start.elapsed() / TIMES))
}
