//! A large PDF: the archive worker compared with a plain download to disk and a plain put.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use countersign::{
    domain::{Provider, Subject, SubjectId, SubjectKind},
    ledger::Ledger,
};
use countersign_cli::{simulator::Promise, stack::STORAGE};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    contestants::Programs,
    events::{EventKind, Events},
    function::{Function, Program},
    services::Services,
    spread::Spread,
    starts::milliseconds,
};

/// The PDF's size in bytes.
pub const SIZE: u64 = 200_000_000;

/// The result. Times in milliseconds, memory in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// The PDF's size in bytes.
    pub size: u64,
    /// The worker's time for a whole archive job.
    pub time: Spread,
    /// The time of a plain download and put.
    pub bare: Spread,
    /// `time` divided by `bare`, round by round.
    pub ratio: Spread,
    /// The worker's peak memory.
    pub memory: Spread,
    /// The peak memory of the plain download and put.
    pub bare_memory: Spread,
}

/// Measures both in turns, in this number of rounds.
///
/// # Errors
/// When a function fails or gives a wrong answer.
pub async fn run(programs: &Programs, rounds: u64) -> Result<Document> {
    let services = Services::start().await?;
    let table = services.table().await?;
    let ledger = Ledger::new(&table.aws, STORAGE);
    let environment = services.environment(&table.url);
    let program = |file| Program { command: vec![file], environment: environment.clone() };
    let mut callback =
        Function::start(&program(programs.function("v1-realtime").into()), &services.log("callback")).await?;
    let events = Events::new(&services.secrets, 1);
    let (mut ours, mut bare, mut memory, mut bare_memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        eprint!("\ra large PDF, round {} of {rounds} ", round + 1);
        let id = events.id(round);
        // Without a hash from the service: its simulator would render the PDF a second time to compute one.
        services.simulator.document(&id).size(SIZE).inline(true).promise(Promise::Missing);
        callback.call(events.event(EventKind::Realtime, round)?).await?;
        let subject = Subject {
            provider: Provider::Legalesign,
            kind: SubjectKind::Document,
            id: SubjectId::parse(&*id).ok().context("an id")?,
        };
        let mut worker =
            Function::start(&program(programs.function("final-document").into()), &services.log("worker")).await?;
        let job = json!({"pk": subject.partition()}).to_string();
        let event = json!({"Records": [{"messageId": "1", "body": job, "eventSource": "aws:sqs"}]});
        let (time, answer) = worker.call(event.to_string().into()).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["batchItemFailures"].as_array().is_some_and(Vec::is_empty), "a wrong answer: {answer}");
        let timeline = ledger.timeline(&subject).await?.context("the document")?;
        ensure!(timeline.pdfs.iter().any(|pdf| pdf.size == SIZE), "not archived: {:?}", timeline.document.archive);
        ours.push(milliseconds(time));
        memory.push(worker.peak_memory()? as f64);
        worker.end().await?;

        let mut plain = program(programs.own("plain").into());
        let (_, api) = services.secrets.of(Provider::Legalesign);
        let credential = format!(
            "ApiKey {}:{}",
            api["username"].as_str().unwrap_or_default(),
            api["secret"].as_str().unwrap_or_default()
        );
        let url = format!("{}/legalesign/api/v1/pdf/{id}/", services.simulator_url);
        plain.environment.insert("PLAIN_DOCUMENT".to_owned(), url);
        plain.environment.insert("PLAIN_AUTHORIZATION".to_owned(), credential);
        let mut plain = Function::start(&plain, &services.log("plain")).await?;
        let (time, answer) = plain.call(Bytes::from_static(b"{}")).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["bytes"] == SIZE, "a wrong answer: {answer}");
        bare.push(milliseconds(time));
        bare_memory.push(plain.peak_memory()? as f64);
        plain.end().await?;
    }
    eprintln!();
    callback.end().await?;
    Ok(Document {
        size: SIZE,
        time: Spread::of(&ours).context("no rounds")?,
        bare: Spread::of(&bare).context("no rounds")?,
        ratio: Spread::of_ratios(&ours, &bare).context("no rounds")?,
        memory: Spread::of(&memory).context("no rounds")?,
        bare_memory: Spread::of(&bare_memory).context("no rounds")?,
    })
}
