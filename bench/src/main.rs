//! Measures Countersign's functions as they are deployed, compares them with an empty function and with functions in
//! Python and Node, and checks the goals. `bash bench/run` builds everything it needs and runs it.
//!
//! Compared programs run in turns within one run, and the results that matter are ratios, because the machine is shared
//! and busy. Results are stored in `bench/results.json`, with one section per experiment; the tables are generated from
//! that file.

mod batches;
mod capture;
mod contestants;
mod costs;
mod document;
mod events;
mod function;
mod goals;
mod load;
mod overhead;
mod plot;
mod publish;
mod report;
mod runtime;
mod services;
mod sizes;
mod spread;
mod starts;
mod tables;
mod tls;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{contestants::Programs, costs::Prices, report::Report};

/// Measures the functions.
#[derive(Parser)]
struct Arguments {
    /// The experiment to run [default: all]
    #[command(subcommand)]
    experiment: Option<Experiment>,
}

#[derive(Clone, Subcommand)]
enum Experiment {
    /// Start, first answer, warm answers, memory and size of every function
    Starts {
        /// Number of starts of each function
        #[arg(long, default_value_t = 20)]
        rounds: u64,
        /// Number of further events after each start's first event
        #[arg(long, default_value_t = 40)]
        warm: u64,
        /// Measure only these functions and `hello`, and write no results
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Processor time of each callback compared with its DynamoDB calls, and the number of these calls
    Overhead {
        /// Number of measurements of each function
        #[arg(long, default_value_t = 5)]
        rounds: u64,
        /// Number of callbacks in each measurement
        #[arg(long, default_value_t = 400)]
        events: usize,
    },
    /// Batches of 100 to 20,000 entries
    Batches {
        /// Number of measurements of each size
        #[arg(long, default_value_t = 5)]
        rounds: u64,
    },
    /// A PDF of 200 MB
    Document {
        /// Number of measurements
        #[arg(long, default_value_t = 5)]
        rounds: u64,
    },
    /// `countersign serve` under rising load
    Load,
    /// Only shows what was measured last, and writes it into docs/
    Show,
}

/// The experiments that run by default.
const ALL: [Experiment; 5] = [
    Experiment::Starts { rounds: 20, warm: 40, only: Vec::new() },
    Experiment::Overhead { rounds: 5, events: 400 },
    Experiment::Batches { rounds: 5 },
    Experiment::Document { rounds: 5 },
    Experiment::Load,
];

#[tokio::main]
async fn main() -> Result<()> {
    let root = root();
    let programs = Programs::new(&root);
    report::check_profiles(&root)?;
    let prices = Prices::read(&root)?;
    let mut report = Report::read(&root)?;
    let chosen = Arguments::parse().experiment;
    for experiment in chosen.as_ref().map_or(ALL.as_slice(), std::slice::from_ref) {
        match experiment {
            Experiment::Starts { rounds, warm, only } => {
                report.starts = starts::run(&programs, *rounds, *warm, only).await?;
                if !only.is_empty() {
                    tables::print_starts(&report);
                    return Ok(());
                }
            }
            Experiment::Overhead { rounds, events } => {
                report.overheads = overhead::run(&programs, *rounds, *events).await?;
            }
            Experiment::Batches { rounds } => report.batches = batches::run(&programs, *rounds).await?,
            Experiment::Document { rounds } => report.document = Some(document::run(&programs, *rounds).await?),
            Experiment::Load => report.load = Some(load::run(&programs).await?),
            Experiment::Show => {}
        }
        report.costs = costs::of(&report, &prices);
        if !matches!(experiment, Experiment::Show) {
            report.write(&root)?;
        }
    }
    publish::all(&root, &report, &prices)?;
    tables::print(&report, &prices);
    Ok(())
}

/// The repository's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
