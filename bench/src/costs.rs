//! What a million callbacks cost, from what was measured and from `bench/prices.toml`, which holds all that is assumed.
//!
//! Lambda's time isn't this machine's: a function with a seventh of a processor takes seven times as long for what it
//! computes, and waits for AWS's DynamoDB instead of the embedded one. So what is billed is computed from the measured
//! processor time, the counted calls, and the assumed time of a call.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{contestants::Language, report::Report};

/// `bench/prices.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Where.
    pub region: String,
    /// When.
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
    cold: f64,
}

/// What a million of one sort of callback costs, in dollars but for `billed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Who takes it in, and how large it is.
    pub what: String,
    /// How many events it tells of.
    pub events: usize,
    /// Milliseconds of Lambda that are billed for one.
    pub billed: f64,
    /// Memory in MB.
    pub memory: f64,
    /// Write units of one.
    pub write_units: f64,
    /// Lambda, requests and time.
    pub lambda: f64,
    /// DynamoDB, writes and reads.
    pub dynamodb: f64,
    /// API Gateway, S3, logs and traces.
    pub others: f64,
}

impl Cost {
    /// All together.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.lambda + self.dynamodb + self.others
    }
}

/// One callback, as it was measured.
struct Measured<'a> {
    name: &'a str,
    what: String,
    events: usize,
    body: f64,
    /// Processor milliseconds.
    cpu: f64,
    /// Processor milliseconds until the first answer.
    start_cpu: f64,
    /// Calls that wait for each other.
    waits: f64,
    write_units: f64,
    read_units: f64,
    s3_puts: f64,
}

impl Prices {
    /// Reads them.
    ///
    /// # Errors
    /// When the file isn't as it should be.
    pub fn read(root: &Path) -> Result<Self> {
        toml::from_str(&fs::read_to_string(root.join("bench/prices.toml"))?).context("bench/prices.toml")
    }

    fn cost(&self, measured: Measured<'_>) -> Option<Cost> {
        let Self { million, gigabyte, assumed, .. } = self;
        let memory = *self.memory.get(measured.name)?;
        let slower = (assumed.full_processor / memory).max(1.0);
        let waiting = measured.waits * assumed.dynamodb_call + measured.s3_puts * assumed.s3_put;
        // Lambda computes at full speed while a function starts.
        let billed = measured.cpu * slower + waiting + assumed.cold * measured.start_cpu;
        // Per million callbacks: seconds are milliseconds times a thousand.
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
            what: measured.what,
            events: measured.events,
            billed,
            memory,
            write_units: measured.write_units,
        })
    }
}

/// The costs of everything that was measured.
#[must_use]
pub fn of(report: &Report, prices: &Prices) -> Vec<Cost> {
    let start_cpu = |name: &str| report.start(name, false).map_or(0.0, |start| start.first_cpu.median);
    let small = report.overheads.iter().map(|overhead| Measured {
        name: &overhead.name,
        what: format!("{}, 1 event", label(overhead.language, &overhead.name)),
        events: 1,
        body: 1_000.0,
        cpu: overhead.cpu.median,
        start_cpu: start_cpu(&overhead.name),
        waits: overhead.calls,
        write_units: overhead.write_units,
        read_units: overhead.read_units,
        s3_puts: 0.0,
    });
    let large = report.batches.iter().flat_map(|batch| {
        // As many at the same time as the ledger and the peer make.
        let waits = |[single, many]: [usize; 2], at_a_time: f64| single as f64 / 16.0 + many as f64 / at_a_time;
        // Bodies over 8 KiB go to S3.
        let s3_puts = if batch.body > 8 * 1_024 { 1.0 } else { 0.0 };
        let ours = Measured {
            name: "v1-batch",
            what: format!("`v1-batch`, {} events", batch.entries),
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
        Language::Python => name.replace("python-", "Python, "),
        Language::Node => name.replace("node-", "Node, "),
    }
}
