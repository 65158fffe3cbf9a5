//! Batches of growing size: beside a bare loop of the same calls, beside the peers, and by the entry.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    capture::{Call, Capture},
    contestants::{Language, Programs},
    events::{Events, Sort},
    function::{Function, Program},
    services::Services,
    spread::Spread,
    starts::milliseconds,
};

/// Entries in a batch. The last is about the most that Lambda's event takes.
pub const SIZES: [usize; 4] = [100, 1_000, 5_000, 20_000];

/// What a batch of one size came to. Times in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// How many entries.
    pub entries: usize,
    /// The posted form's size in bytes.
    pub body: usize,
    /// The function's time.
    pub time: Spread,
    /// The function's processor time.
    pub cpu: Spread,
    /// The time of the same calls without anything else, as many of them at the same time.
    pub bare: Spread,
    /// The first by the second, round by round.
    pub ratio: Spread,
    /// The peers'.
    pub python: Option<Spread>,
    /// See there.
    pub node: Option<Spread>,
    /// The Python peer's processor time.
    pub python_cpu: Option<Spread>,
    /// Peak memory in bytes: the function, Python, Node.
    pub memory: [f64; 3],
    /// That of the empty function, which is handed the same event and reads it: no function of this runtime needs less.
    pub hello_memory: f64,
    /// Calls of DynamoDB: single items, and many items.
    pub calls: [usize; 2],
    /// Write units, the index's included.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
    /// The Python peer's calls and units.
    pub python_calls: [usize; 2],
    /// See there.
    pub python_write_units: f64,
}

#[derive(Default)]
struct Runs {
    time: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
}

/// Measures all sizes, so often.
///
/// # Errors
/// When a function fails.
pub async fn run(programs: &Programs, rounds: u64) -> Result<Vec<Batch>> {
    let services = Services::start().await?;
    let mut all = Vec::new();
    for entries in SIZES {
        eprintln!("a batch of {entries} entries");
        let events = Events::new(&services.secrets, 1);
        let body = events.post(Sort::Batch(entries), 1)?.body.len();
        // The first opens connections and stores the certificate.
        let events = [events.event(Sort::Batch(1), 0)?, events.event(Sort::Batch(entries), 1)?];
        let ours: Vec<OsString> = vec![programs.function("v1-batch").into()];
        let seen = capture(&services, &ours, &events).await?;
        let file = services.folder.path().join("calls.jsonl");
        let lines: Vec<String> = seen.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
        fs::write(&file, lines.join("\n"))?;
        let python = programs.peer(Language::Python, "batch");
        let seen_of_python = capture(&services, &python, &events).await?;

        let mut runs: [Runs; 5] = Default::default();
        let bare = vec![programs.own("bare").into()];
        let node = programs.peer(Language::Node, "batch");
        let hello = vec![programs.own("hello").into()];
        for round in 0..rounds {
            let mut order = [&ours, &bare, &python, &node, &hello].into_iter().enumerate();
            // In turns, forwards and backwards.
            for _ in 0..5 {
                let next = if round % 2 == 0 { order.next() } else { order.next_back() };
                let (index, command) = next.context("five")?;
                one(&services, command, file.to_str(), &events, entries, &mut runs[index]).await?;
            }
        }
        let [ours, bare, python, node, hello] = runs;
        let median = |runs: &Runs| Spread::of(&runs.memory).map_or(f64::NAN, |memory| memory.median);
        let of_batch = seen.last().context("two events")?;
        let of_python = seen_of_python.last().context("two events")?;
        all.push(Batch {
            entries,
            body,
            time: Spread::of(&ours.time).context("no rounds")?,
            cpu: Spread::of(&ours.cpu).context("no rounds")?,
            bare: Spread::of(&bare.time).context("no rounds")?,
            ratio: Spread::of_ratios(&ours.time, &bare.time).context("no rounds")?,
            python: Spread::of(&python.time),
            node: Spread::of(&node.time),
            python_cpu: Spread::of(&python.cpu),
            memory: [&ours, &python, &node].map(median),
            hello_memory: median(&hello),
            calls: counted(of_batch),
            write_units: of_batch.iter().map(|call| call.write_units).sum(),
            read_units: of_batch.iter().map(|call| call.read_units).sum(),
            python_calls: counted(of_python),
            python_write_units: of_python.iter().map(|call| call.write_units).sum(),
        });
    }
    Ok(all)
}

fn counted(calls: &[Call]) -> [usize; 2] {
    let many = calls.iter().filter(|call| call.operation.starts_with("Batch")).count();
    [calls.len() - many, many]
}

/// The calls of each event.
async fn capture(services: &Services, command: &[OsString], events: &[Bytes; 2]) -> Result<Vec<Vec<Call>>> {
    let table = services.table().await?;
    let capture = Capture::start(&table.url).await?;
    let program = Program { command: command.to_vec(), environment: services.environment(&capture.url) };
    let mut function = Function::start(&program, &services.log("capture")).await?;
    let mut seen = Vec::new();
    for event in events {
        function.call(event.clone()).await?;
        seen.push(capture.take());
    }
    function.end().await?;
    Ok(seen)
}

async fn one(
    services: &Services,
    command: &[OsString],
    calls: Option<&str>,
    events: &[Bytes; 2],
    entries: usize,
    runs: &mut Runs,
) -> Result<()> {
    let table = services.table().await?;
    let mut environment = services.environment(&table.url);
    environment.extend(calls.map(|file| ("BARE_CALLS".to_owned(), file.to_owned())));
    let program = Program { command: command.to_vec(), environment };
    let mut function = Function::start(&program, &services.log("batch")).await?;
    function.call(events[0].clone()).await?;
    let before = function.cpu()?;
    let (time, answer) = function.call(events[1].clone()).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
    // `bare` says how many calls it made, and `hello` nothing.
    let is_hello = command.iter().any(|file| Path::new(file).ends_with("hello"));
    let right = is_hello || body["calls"].is_u64() || (body["outcome"] == "recorded" && body["events"] == entries);
    ensure!(right, "a wrong answer: {answer}");
    runs.time.push(milliseconds(time));
    runs.cpu.push(milliseconds(function.cpu()? - before));
    runs.memory.push(function.peak_memory()? as f64);
    function.end().await
}
