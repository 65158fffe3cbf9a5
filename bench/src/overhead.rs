//! What a callback costs beside what DynamoDB has to be asked anyway: the same events through a function and, in turns,
//! through `bare`, which only makes the calls that the function was seen to make.

use std::{ffi::OsString, fs, time::Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use countersign::signature::Signers;
use countersign_cli::stack::Secrets;
use serde::{Deserialize, Serialize};

use crate::{
    capture::{Call, Capture},
    contestants::{Language, Programs},
    events::{Events, Sort},
    function::{Function, Program},
    services::Services,
    spread::Spread,
    starts::milliseconds,
};

/// A callback's calls, and its processor time beside theirs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overhead {
    /// Whose.
    pub name: String,
    /// In what it is written.
    pub language: Language,
    /// Calls of DynamoDB for one callback.
    pub calls: f64,
    /// Write units of one callback, the index's included.
    pub write_units: f64,
    /// Read units of one callback.
    pub read_units: f64,
    /// Processor time of a warm callback, in milliseconds.
    pub cpu: Spread,
    /// The same of `bare`, for the functions.
    pub bare: Option<Spread>,
    /// The same of `hello`, for the functions.
    pub hello: Option<Spread>,
    /// What is left without the SDK's calls and the signature, in multiples of the empty function, round by round: both
    /// `bare` and `hello` read an event and answer, so what `bare` has more is what calls need. It is a small difference
    /// of large numbers: where the quartiles reach below zero, the machine was too busy to tell.
    pub rest: Option<Spread>,
    /// Milliseconds to verify a signature, where there is one: of 2,048 bits, as the throw-away key has.
    pub signature: f64,
    /// The first answer beside its calls alone, for the functions.
    pub first: Option<FirstAnswer>,
}

/// From before a process is made to its first answer, through TLS: the function, `bare` with the same calls, `hello`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FirstAnswer {
    /// The function's, in milliseconds.
    pub ours: Spread,
    /// That of its calls alone.
    pub bare: Spread,
    /// The function's in multiples of its calls' alone, time by time.
    pub beside_bare: Spread,
    /// Its calls' alone in multiples of the empty function's: there is no way below that with these calls and this SDK.
    pub floor: Spread,
}

/// A callback's sort, and whose file answers it.
const FUNCTIONS: [(&str, Sort); 4] = [
    ("quicklysign-callback", Sort::Quicklysign),
    ("signeasy-callback", Sort::Signeasy),
    ("v1-realtime", Sort::Realtime),
    ("v1-batch", Sort::Batch(1)),
];

/// The first events open connections.
const UNCOUNTED: usize = 10;

/// How often everybody is started anew in each round.
const STARTS: usize = 4;

/// Measures every callback function, with so many events in each of so many rounds, and the peers' calls.
///
/// # Errors
/// When one fails.
pub async fn run(programs: &Programs, rounds: u64, events: usize) -> Result<Vec<Overhead>> {
    let mut services = Services::start().await?;
    let signature = signature(&services.secrets)?;
    let mut all = Vec::new();
    for (name, sort) in FUNCTIONS {
        eprintln!("{name}: its calls, and its processor time beside theirs");
        let file = vec![programs.function(name).into()];
        let (mut cpu, mut bare, mut hello) = (Vec::new(), Vec::new(), Vec::new());
        let mut first: [Vec<f64>; 3] = Default::default();
        let mut seen = Vec::new();
        for round in 0..rounds {
            let made = Events::new(&services.secrets, round);
            let made: Vec<_> = (0..(events + UNCOUNTED) as u64).map(|n| made.event(sort, n)).collect::<Result<_>>()?;

            let table = services.table().await?;
            let capture = Capture::start(&table.url).await?;
            let program = Program { command: file.clone(), environment: services.environment(&capture.url) };
            let mut function = Function::start(&program, &services.log(name)).await?;
            seen = Vec::with_capacity(made.len());
            for event in &made {
                function.call(event.clone()).await?;
                seen.push(capture.take());
            }
            function.end().await?;

            let measure = async |command: Vec<_>, calls: Option<&str>| -> Result<f64> {
                let table = services.table().await?;
                let mut environment = services.environment(&table.url);
                environment.extend(calls.map(|file| ("BARE_CALLS".to_owned(), file.to_owned())));
                let mut function =
                    Function::start(&Program { command, environment }, &services.log("overhead")).await?;
                let mut before = function.cpu()?;
                for (number, event) in made.iter().enumerate() {
                    if number == UNCOUNTED {
                        before = function.cpu()?;
                    }
                    function.call(event.clone()).await?;
                }
                let spent = milliseconds(function.cpu()? - before) / events as f64;
                function.end().await?;
                Ok(spent)
            };
            let calls = services.folder.path().join("calls.jsonl");
            let lines: Vec<String> = seen.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
            fs::write(&calls, lines.join("\n"))?;
            cpu.push(measure(file.clone(), None).await?);
            bare.push(measure(vec![programs.own("bare").into()], calls.to_str()).await?);
            hello.push(measure(vec![programs.own("hello").into()], None).await?);

            // The first event's calls alone: `bare` makes all that it is told of before it asks for an event.
            let event = made.first().context("an event")?;
            let first_calls = services.folder.path().join("first-calls.jsonl");
            fs::write(&first_calls, lines.first().context("an event")?)?;
            for start in 0..STARTS {
                let bare = vec![programs.own("bare").into()];
                let hello = vec![programs.own("hello").into()];
                let mut everybody = [&file, &bare, &hello].into_iter().zip(&mut first);
                // In turns, forwards and backwards.
                for _ in 0..3 {
                    let next = if start % 2 == 0 { everybody.next() } else { everybody.next_back() };
                    let (command, times) = next.context("three")?;
                    times.push(first_answer(&mut services, command, first_calls.to_str(), event).await?);
                }
            }
        }
        let signature = if matches!(sort, Sort::Realtime | Sort::Batch(_)) { signature } else { 0.0 };
        let rest = |((cpu, bare), hello): ((&f64, &f64), &f64)| (cpu - (bare - hello) - signature) / hello;
        let rest: Vec<f64> = cpu.iter().zip(&bare).zip(&hello).map(rest).collect();
        all.push(Overhead {
            rest: Spread::of(&rest),
            bare: Spread::of(&bare),
            hello: Spread::of(&hello),
            signature,
            first: beside(&first),
            ..of_calls(name, Language::Rust, &seen, &cpu)?
        });
    }
    for (language, handler, sort) in [
        (Language::Python, "callback", Sort::Quicklysign),
        (Language::Python, "batch", Sort::Batch(1)),
        (Language::Node, "callback", Sort::Quicklysign),
        (Language::Node, "batch", Sort::Batch(1)),
    ] {
        let table = services.table().await?;
        let capture = Capture::start(&table.url).await?;
        let environment = services.environment(&capture.url);
        let program = Program { command: programs.peer(language, handler), environment };
        let mut function = Function::start(&program, &services.log(handler)).await?;
        let made = Events::new(&services.secrets, 0);
        let (mut seen, mut before) = (Vec::new(), function.cpu()?);
        for number in 0..events + UNCOUNTED {
            if number == UNCOUNTED {
                before = function.cpu()?;
            }
            function.call(made.event(sort, number as u64)?).await?;
            seen.push(capture.take());
        }
        let cpu = [milliseconds(function.cpu()? - before) / events as f64];
        function.end().await?;
        let name = format!("{}-{handler}", if language == Language::Python { "python" } else { "node" });
        all.push(of_calls(&name, language, &seen, &cpu)?);
    }
    Ok(all)
}

/// Milliseconds from before the process is made to its first answer, through TLS, over an empty table.
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

fn beside([ours, bare, hello]: &[Vec<f64>; 3]) -> Option<FirstAnswer> {
    Some(FirstAnswer {
        ours: Spread::of(ours)?,
        bare: Spread::of(bare)?,
        beside_bare: Spread::of_ratios(ours, bare)?,
        floor: Spread::of_ratios(bare, hello)?,
    })
}

/// The first events of a process do more (a certificate is stored once), so they don't count here either.
fn of_calls(name: &str, language: Language, seen: &[Vec<Call>], cpu: &[f64]) -> Result<Overhead> {
    let counted = &seen[UNCOUNTED.min(seen.len())..];
    let mean = |of: fn(&Call) -> f64| counted.iter().flatten().map(of).sum::<f64>() / counted.len() as f64;
    Ok(Overhead {
        name: name.to_owned(),
        language,
        calls: mean(|_| 1.0),
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

/// Milliseconds to verify a signature over a small message.
fn signature(secrets: &Secrets) -> Result<f64> {
    const TIMES: u32 = 2_000;
    let key = secrets.signing_key()?;
    let (signers, _) = Signers::parse(&[key.certificate()]);
    let (message, now) = ([b'x'; 150], jiff::Timestamp::now());
    let signature = key.sign(&message);
    let start = Instant::now();
    for _ in 0..TIMES {
        drop(signers.verify_sha1(std::hint::black_box(&message), signature.as_bytes(), now)?);
    }
    Ok(milliseconds(start.elapsed() / TIMES))
}
