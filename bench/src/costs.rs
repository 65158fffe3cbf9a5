//! The cost of a million callbacks, from the measurements and from `bench/prices.toml`, which has all assumptions.
//!
//! The measured time isn't the time on Lambda: a function with a seventh of a processor computes seven times as long,
//! and waits for AWS's DynamoDB instead of the embedded one. So the billed time is computed from the measured processor
//! time, the number of calls, and the assumed time of a call.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{contestants::Language, report::Report};

/// The maximum number of stream records in an invocation of `publish`, as in `template.yaml`.
const RECORDS: f64 = 100.0;

/// `bench/prices.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The AWS region of the prices.
    pub region: String,
    /// The year of the prices.
    pub date: String,
    million: Million,
    gigabyte: Gigabyte,
    assumed: Assumed,
    memory: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Million {
    http_api_requests: f64,
    lambda_requests: f64,
    dynamodb_write_units: f64,
    dynamodb_read_units: f64,
    s3_puts: f64,
    xray_traces: f64,
    eventbridge_events: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gigabyte {
    lambda_seconds_arm64: f64,
    logs: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assumed {
    http_api_unit: f64,
    dynamodb_call: f64,
    s3_put: f64,
    full_processor: f64,
    log_kilobytes: f64,
    traced: f64,
    published: f64,
    published_records: f64,
    publish: f64,
    cold: f64,
}

/// The cost of a million callbacks of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The receiving function, and the number of events.
    pub what: String,
    /// Number of events in a callback.
    pub events: usize,
    /// Billed milliseconds of Lambda for one callback.
    pub billed: f64,
    /// Memory in MB.
    pub memory: f64,
    /// Write units of one callback.
    pub write_units: f64,
    /// US dollars for Lambda: requests and time.
    pub lambda: f64,
    /// US dollars for DynamoDB: writes and reads.
    pub dynamodb: f64,
    /// US dollars for API Gateway, S3, logs and traces.
    pub others: f64,
    /// US dollars for publishing its events: the bus and the function `publish`. The peers publish nothing.
    #[serde(default)]
    pub published: f64,
}

impl Cost {
    /// The sum in US dollars.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.lambda + self.dynamodb + self.others + self.published
    }
}

/// The measurements of one callback.
struct Measured<'a> {
    name: &'a str,
    what: String,
    publishes: bool,
    events: usize,
    body: f64,
    /// Processor time in milliseconds.
    cpu: f64,
    /// Processor time until the first answer, in milliseconds.
    start_cpu: f64,
    /// Number of consecutive calls; concurrent calls count as one.
    waits: f64,
    write_units: f64,
    read_units: f64,
    s3_puts: f64,
}

impl Prices {
    /// Reads the prices.
    ///
    /// # Errors
    /// When the file is missing or has unexpected contents.
    pub fn read(root: &Path) -> Result<Self> {
        toml::from_str(&fs::read_to_string(root.join("bench/prices.toml"))?).context("bench/prices.toml")
    }

    /// US dollars for publishing a million times this number of events.
    fn publishing(&self, events: f64) -> f64 {
        let Self { million, gigabyte, assumed, .. } = self;
        let memory = self.memory.get("publish").copied().unwrap_or_default();
        let invocations = (events * assumed.published_records / RECORDS).ceil();
        // For a million invocations: a millisecond each makes 1,000 seconds.
        let gigabyte_seconds = assumed.publish * 1_000.0 * memory / 1_024.0;
        let invocation = million.lambda_requests + gigabyte_seconds * gigabyte.lambda_seconds_arm64;
        events * assumed.published * million.eventbridge_events + invocations * invocation
    }

    fn cost(&self, measured: Measured<'_>) -> Option<Cost> {
        let Self { million, gigabyte, assumed, .. } = self;
        let memory = *self.memory.get(measured.name)?;
        let slower = (assumed.full_processor / memory).max(1.0);
        let waiting = measured.waits * assumed.dynamodb_call + measured.s3_puts * assumed.s3_put;
        // Lambda provides full processor speed while a function starts.
        let billed = measured.cpu * slower + waiting + assumed.cold * measured.start_cpu;
        // For a million callbacks: a millisecond each makes 1,000 seconds.
        let gigabyte_seconds = billed * 1_000.0 * memory / 1_024.0;
        let requests = (measured.body / assumed.http_api_unit).ceil().max(1.0);
        Some(Cost {
            lambda: million.lambda_requests + gigabyte_seconds * gigabyte.lambda_seconds_arm64,
            dynamodb: measured.write_units * million.dynamodb_write_units
                + measured.read_units * million.dynamodb_read_units,
            others: requests * million.http_api_requests
                + measured.s3_puts * million.s3_puts
                + assumed.log_kilobytes * gigabyte.logs
                + assumed.traced * million.xray_traces,
            published: if measured.publishes { self.publishing(measured.events as f64) } else { 0.0 },
            what: measured.what,
            events: measured.events,
            billed,
            memory,
            write_units: measured.write_units,
        })
    }
}

/// The costs of all measured callbacks.
#[must_use]
pub fn of(report: &Report, prices: &Prices) -> Vec<Cost> {
    let start_cpu = |name: &str| report.start(name, false).map_or(0.0, |start| start.first_cpu.median);
    let small = report.overheads.iter().map(|overhead| Measured {
        name: &overhead.name,
        what: format!("{}, 1 event", label(overhead.language, &overhead.name)),
        publishes: matches!(overhead.language, Language::Rust),
        events: 1,
        body: 1_000.0,
        cpu: overhead.cpu.median,
        start_cpu: start_cpu(&overhead.name),
        waits: overhead.rounds,
        write_units: overhead.write_units,
        read_units: overhead.read_units,
        s3_puts: 0.0,
    });
    let large = report.batches.iter().flat_map(|batch| {
        // With the concurrency of the ledger, or of the peer.
        let waits = |[single, many]: [usize; 2], concurrency: f64| single as f64 / 16.0 + many as f64 / concurrency;
        // Bodies over 8 KiB go to S3.
        let s3_puts = if batch.body > 8 * 1_024 { 1.0 } else { 0.0 };
        let ours = Measured {
            name: "v1-batch",
            what: format!("`v1-batch`, {} events", batch.entries),
            publishes: true,
            events: batch.entries,
            body: batch.body as f64,
            cpu: batch.cpu.median,
            start_cpu: start_cpu("v1-batch"),
            waits: waits(batch.calls, 4.0),
            write_units: batch.write_units,
            read_units: batch.read_units,
            s3_puts,
        };
        let (events, body) = (ours.events, ours.body);
        let python = batch.python_cpu.map(|cpu| Measured {
            name: "python-batch",
            what: format!("Python, batch, {} events", batch.entries),
            publishes: false,
            cpu: cpu.median,
            start_cpu: start_cpu("python-batch"),
            waits: waits(batch.python_calls, 16.0),
            write_units: batch.python_write_units,
            read_units: 0.0,
            events,
            body,
            s3_puts,
        });
        [Some(ours), python].into_iter().flatten()
    });
    small.chain(large).filter_map(|measured| prices.cost(measured)).collect()
}

fn label(language: Language, name: &str) -> String {
    match language {
        Language::Rust => format!("`{name}`"),
        Language::Python => {
            name.replace("python-guaranteed", "Python, callback, same guarantees").replace("python-", "Python, ")
        }
        Language::Node => name.replace("node-", "Node, "),
    }
}
