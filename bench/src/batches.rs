//! Batches of increasing size, compared with a bare loop of the same calls and with the peers, and the time per entry.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    capture::{Call, Capture},
    contestants::{Language, Programs},
    events::{EventKind, Events},
    function::{Function, Program},
    services::Services,
    spread::Spread,
    starts::milliseconds,
};

/// Numbers of entries in a batch. The last one is close to the maximum that fits in Lambda's event.
pub const SIZES: [usize; 4] = [100, 1_000, 5_000, 20_000];

/// The result of batches of one size. Times in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// Number of entries.
    pub entries: usize,
    /// The posted form's size in bytes.
    pub body: usize,
    /// The function's time.
    pub time: Spread,
    /// The function's processor time.
    pub cpu: Spread,
    /// The time of only the same calls, with the same concurrency.
    pub bare: Spread,
    /// `time` divided by `bare`, round by round.
    pub ratio: Spread,
    /// The Python peer's time.
    pub python: Option<Spread>,
    /// The Node peer's time.
    pub node: Option<Spread>,
    /// The Python peer's processor time.
    pub python_cpu: Option<Spread>,
    /// Peak memory in bytes: the function, Python, Node.
    pub memory: [f64; 3],
    /// Peak memory of the empty function with the same event: the lower bound for functions with this runtime.
    pub hello_memory: f64,
    /// DynamoDB calls: for single items, and for batches of items.
    pub calls: [usize; 2],
    /// Write units, including the index.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
    /// The Python peer's DynamoDB calls: for single items, and for batches of items.
    pub python_calls: [usize; 2],
    /// The Python peer's write units.
    pub python_write_units: f64,
}

#[derive(Default)]
struct Runs {
    time: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
}

/// Measures all sizes, each in this number of rounds.
///
/// # Errors
/// When a function fails.
pub async fn run(programs: &Programs, rounds: u64) -> Result<Vec<Batch>> {
    let services = Services::start().await?;
    let mut all = Vec::new();
    for entries in SIZES {
        eprintln!("a batch of {entries} entries");
        let events = Events::new(&services.secrets, 1);
        let body = events.post(EventKind::Batch(entries), 1)?.body.len();
        // The first event opens connections and stores the certificate, and isn't measured.
        let events = [events.event(EventKind::Batch(1), 0)?, events.event(EventKind::Batch(entries), 1)?];
        let ours: Vec<OsString> = vec![programs.function("v1-batch").into()];
        let calls = capture(&services, &ours, &events).await?;
        let file = services.folder.path().join("calls.jsonl");
        let lines: Vec<String> = calls.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
        fs::write(&file, lines.join("\n"))?;
        let python = programs.peer(Language::Python, "batch");
        let python_calls = capture(&services, &python, &events).await?;

        let mut runs: [Runs; 5] = Default::default();
        let bare = vec![programs.own("bare").into()];
        let node = programs.peer(Language::Node, "batch");
        let hello = vec![programs.own("hello").into()];
        for round in 0..rounds {
            let mut order = [&ours, &bare, &python, &node, &hello].into_iter().enumerate();
            // In turns, in alternating directions.
            for _ in 0..5 {
                let next = if round % 2 == 0 { order.next() } else { order.next_back() };
                let (index, command) = next.context("five")?;
                measure(&services, command, file.to_str(), &events, entries, &mut runs[index]).await?;
            }
        }
        let [ours, bare, python, node, hello] = runs;
        let median = |runs: &Runs| Spread::of(&runs.memory).map_or(f64::NAN, |memory| memory.median);
        let batch_calls = calls.last().context("two events")?;
        let python_calls = python_calls.last().context("two events")?;
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
            calls: count(batch_calls),
            write_units: batch_calls.iter().map(|call| call.write_units).sum(),
            read_units: batch_calls.iter().map(|call| call.read_units).sum(),
            python_calls: count(python_calls),
            python_write_units: python_calls.iter().map(|call| call.write_units).sum(),
        });
    }
    Ok(all)
}

/// The numbers of calls for single items, and for batches of items.
fn count(calls: &[Call]) -> [usize; 2] {
    let batches = calls.iter().filter(|call| call.operation.starts_with("Batch")).count();
    [calls.len() - batches, batches]
}

/// Records the calls of each event.
async fn capture(services: &Services, command: &[OsString], events: &[Bytes; 2]) -> Result<Vec<Vec<Call>>> {
    let table = services.table().await?;
    let capture = Capture::start(&table.url).await?;
    let program = Program { command: command.to_vec(), environment: services.environment(&capture.url) };
    let mut function = Function::start(&program, &services.log("capture")).await?;
    let mut calls = Vec::new();
    for event in events {
        function.call(event.clone()).await?;
        calls.push(capture.take());
    }
    function.end().await?;
    Ok(calls)
}

/// Measures the second event of a new process.
async fn measure(
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
    // `bare` answers with the number of its calls, and `hello` with an empty body.
    let is_hello = command.iter().any(|file| Path::new(file).ends_with("hello"));
    let correct = is_hello || body["calls"].is_u64() || (body["outcome"] == "recorded" && body["events"] == entries);
    ensure!(correct, "a wrong answer: {answer}");
    runs.time.push(milliseconds(time));
    runs.cpu.push(milliseconds(function.cpu()? - before));
    runs.memory.push(function.peak_memory()? as f64);
    function.end().await
}
