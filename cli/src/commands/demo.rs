//! `countersign demo`: the whole workflow once, on a fresh stack: sends every documented callback, and archives the PDFs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{
    domain::{Provider, Route, Subject, SubjectId, SubjectKind},
    ledger::{ArchiveState, DocumentView, Pdf},
    providers::endpoint,
    publish::DetailType,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    documents::documents_table,
    output::{Failure, Output, or_dash, table},
    timeline::pdfs_table,
};
use crate::{
    bus::{Event, Filter},
    secrets::Secrets,
    simulator::{self, Case, SERVICES, callbacks::Post},
    stack::{Folder, Options, Stack},
};

/// Timeout for the archive. A job takes less than a second, but a busy machine may need far longer.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);

/// Timeout for the events of archived documents. They take a fraction of a second.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

/// The result of the demo.
#[derive(Debug, Serialize)]
pub struct Demo {
    /// Whether nothing failed.
    pub ok: bool,
    /// The callbacks that were sent, with their answers.
    pub deliveries: Vec<Exchange>,
    /// Number of recorded events.
    pub events: usize,
    /// The recorded documents.
    pub documents: Vec<DocumentView>,
    /// The archived PDFs.
    pub pdfs: Vec<ExportedPdf>,
    /// The events that were published on the bus, in order.
    pub published: Vec<Event>,
    /// What went wrong, one message each.
    pub failures: Vec<String>,
    /// Duration of the demo.
    pub seconds: f64,
}

/// A callback that was sent, and its answer.
#[derive(Debug, Serialize)]
pub struct Exchange {
    /// Name of the callback's case.
    pub case: String,
    /// The service.
    pub provider: Provider,
    /// The answer's status.
    pub http_status: u16,
    /// The delivery's id.
    pub delivery: Option<String>,
    /// Outcome in the answer.
    pub outcome: Option<String>,
    /// Number of events in it.
    pub events: u64,
    /// Reason in the answer, a stable code.
    pub reason: Option<String>,
}

/// An archived PDF, with a copy that a PDF reader can open.
#[derive(Debug, Serialize)]
pub struct ExportedPdf {
    /// The PDF.
    #[serde(flatten)]
    pub pdf: Pdf,
    /// Path of the copy.
    pub file: String,
}

pub async fn run(data: &Path, json: bool) -> Result<Output, Failure> {
    let started = Instant::now();
    let path = data.join("demo");
    fs::create_dir_all(&path).context("the demo's folder")?;
    let folder =
        Folder::take(&path)?.free().ok_or_else(|| Failure::new("in_use", "another demo runs on this folder"))?;
    empty(&path)?;
    let secrets = Secrets::throw_away()?.accepting_events()?;
    let options = Options { secrets, scheduled: true, ..Options::for_tests()? };
    let stack = Stack::start(folder, options).await?;
    let demo = play(&stack, &path.join("pdfs"), started).await;
    stack.stop().await;
    let demo = demo?;
    let text = if json { String::new() } else { text(&demo) };
    let ok = demo.ok;
    Ok(Output::new(&demo, text)?.failed_unless(ok))
}

/// Removes what an earlier demo left, except for the lock, which is held.
fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.file_name().is_some_and(|name| name != "lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

async fn play(stack: &Stack, pdfs_folder: &Path, started: Instant) -> Result<Demo, Failure> {
    let mut failures = Vec::new();
    let mut deliveries = Vec::new();
    for service in SERVICES {
        service.script_demo(&stack.simulator);
    }
    for case in SERVICES.iter().flat_map(|service| service.demo()) {
        let exchange = send(stack, case).await?;
        if exchange.http_status != 200 || exchange.outcome.as_deref() != Some("recorded") {
            failures.push(format!(
                "{} {}: {} {}",
                exchange.provider,
                case.name,
                exchange.http_status,
                or_dash(exchange.outcome.as_ref())
            ));
        }
        deliveries.push(exchange);
    }
    wait_for_archive(stack, &mut failures).await?;
    let published = published(stack, &mut failures).await?;
    let ledger = stack.ledger();
    let documents = ledger.documents(None, None, None, 1000).await?.documents;
    let mut pdfs = Vec::new();
    let mut events = 0;
    let mut signers = BTreeSet::new();
    for document in &documents {
        let id = SubjectId::parse(document.id.as_str())?;
        let subject = Subject { provider: document.provider, kind: document.kind, id };
        let Some(timeline) = ledger.timeline(&subject).await? else { continue };
        events += timeline.events.len();
        signers.extend(timeline.signers.into_iter().map(|signer| (document.provider, signer.id)));
        for pdf in timeline.pdfs {
            match export(stack, &pdf, pdfs_folder).await {
                Ok(file) => pdfs.push(ExportedPdf { pdf, file }),
                Err(problem) => failures.push(format!("{}: {problem:#}", pdf.key)),
            }
        }
    }
    for (provider, id) in signers {
        let signer = Subject { provider, kind: SubjectKind::Signer, id: id.clone() };
        events += ledger.timeline(&signer).await?.map_or(0, |timeline| timeline.events.len());
    }
    for provider in Provider::ALL {
        if !pdfs.iter().any(|exported| exported.pdf.provider == provider) {
            failures.push(format!("{provider}: no PDF was archived"));
        }
    }
    let seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    Ok(Demo { ok: failures.is_empty(), deliveries, events, documents, pdfs, published, failures, seconds })
}

async fn send(stack: &Stack, Case { name, route, event }: Case) -> Result<Exchange, Failure> {
    let event = simulator::service(route.provider()).adapt_demo(event, &stack.simulator);
    let callback = callback(route, &serde_json::from_str(&event)?)?;
    let (status, answer) = callback.send(&stack.callback_url(route)?).await?;
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Ok(Exchange {
        case: name.to_owned(),
        provider: route.provider(),
        http_status: status.as_u16(),
        delivery: text("delivery"),
        outcome: text("outcome"),
        events: answer["events"].as_u64().unwrap_or_default(),
        reason: text("reason"),
    })
}

/// The request that API Gateway makes this event of.
fn callback(route: Route, event: &Value) -> Result<Post, Failure> {
    let body = event["body"].as_str().unwrap_or_default();
    let body = match event["isBase64Encoded"].as_bool() {
        Some(true) => BASE64_STANDARD.decode(body)?.into(),
        _ => body.to_owned().into(),
    };
    let query = event["rawQueryString"].as_str().filter(|query| !query.is_empty()).map(str::to_owned);
    let header = |name: &'static str| Some((name, event["headers"][name].as_str()?.to_owned()));
    let headers = endpoint(route).kept_headers.iter().copied().filter_map(header);
    Ok(Post { route, query, headers: headers.collect(), body })
}

async fn wait_for_archive(stack: &Stack, failures: &mut Vec<String>) -> Result<(), Failure> {
    let until = Instant::now() + ARCHIVED_WITHIN;
    let ledger = stack.ledger();
    loop {
        let documents = ledger.documents(None, None, None, 1000).await?.documents;
        let mut open = documents.iter().filter(|document| {
            document.archive.as_ref().is_some_and(|archive| archive.state != ArchiveState::Archived)
        });
        let Some(first) = open.next() else { return Ok(()) };
        if Instant::now() > until {
            let archive = first.archive.as_ref();
            let reason = or_dash(archive.and_then(|archive| archive.reason.as_ref()));
            failures.push(format!("{} {} was not archived in time: {reason}", first.provider, first.id));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the bus has the event of each archived document, and returns all events.
async fn published(stack: &Stack, failures: &mut Vec<String>) -> Result<Vec<Event>, Failure> {
    let until = Instant::now() + PUBLISHED_WITHIN;
    let documents = stack.ledger().documents(None, None, None, 1000).await?.documents;
    let archived = documents.iter().filter(|document| document.archive.is_some() && document.pdfs > 0).count();
    loop {
        let events = stack.bus.after(0, Filter::default(), usize::MAX).await?;
        let is_archived = |event: &&Event| event.detail_type == DetailType::DocumentArchived.as_str();
        let found = events.iter().filter(is_archived).count();
        if found >= archived {
            return Ok(events);
        }
        if Instant::now() > until {
            failures.push(format!("{found} of {archived} document.archived events were published in time"));
            return Ok(events);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Copies a PDF from the bucket to a file, after comparing it with the recorded hash. Returns the file's path.
async fn export(stack: &Stack, pdf: &Pdf, folder: &Path) -> Result<String> {
    let object = stack.aws.s3.get_object().bucket(&stack.endpoints.bucket).key(&pdf.key).send().await;
    let bytes =
        object.context("it isn't in the bucket")?.body.collect().await.context("it can't be read")?.into_bytes();
    let hash = digest::digest(&digest::SHA256, &bytes);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    anyhow::ensure!(hash == pdf.sha256, "its hash is not the recorded one");
    let file = folder.join(&pdf.key);
    fs::create_dir_all(file.parent().unwrap_or(folder))?;
    fs::write(&file, &bytes)?;
    Ok(file.display().to_string())
}

fn text(demo: &Demo) -> String {
    let rows = demo.deliveries.iter().map(|exchange| {
        [
            exchange.provider.to_string(),
            exchange.case.clone(),
            exchange.http_status.to_string(),
            or_dash(exchange.outcome.as_ref()),
            exchange.events.to_string(),
        ]
    });
    let pdfs: Vec<Pdf> = demo.pdfs.iter().map(|exported| exported.pdf.clone()).collect();
    let mut text = [
        table(["provider", "callback", "answer", "outcome", "events"], rows),
        documents_table(&demo.documents),
        pdfs_table(&pdfs),
        published_table(&demo.published),
    ]
    .join("\n");
    for exported in &demo.pdfs {
        text.push_str(&format!("open {}\n", exported.file));
    }
    for failure in &demo.failures {
        text.push_str(&format!("FAILED: {failure}\n"));
    }
    let (count, events, seconds) = (demo.pdfs.len(), demo.events, demo.seconds);
    let published = demo.published.len();
    let verdict = if demo.ok { "ok" } else { "not ok" };
    text.push_str(&format!(
        "{verdict}: {events} events recorded, {count} PDFs archived, {published} events published, {seconds} s\n"
    ));
    text
}

/// The published events by type: how many there are, and what they are about.
fn published_table(events: &[Event]) -> String {
    let mut by_type: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in events {
        let subject = or_dash(event.detail["subject"]["id"].as_str());
        by_type.entry(&event.detail_type).or_default().push(subject);
    }
    let rows = by_type
        .into_iter()
        .map(|(detail_type, subjects)| [detail_type.to_owned(), subjects.len().to_string(), subjects.join(" ")]);
    table(["published event", "number", "about"], rows)
}
