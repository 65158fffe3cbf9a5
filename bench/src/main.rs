//! Measures Countersign's functions as they are deployed, beside an empty function and beside what a user would write
//! instead, and says which of the goals are met. `bash bench/run` builds all that it needs and runs it.
//!
//! Everything that is compared runs in turns in one run, and what counts are ratios: the machine is shared and busy.
//! Results are kept in `bench/results.json`, one section for each experiment; the tables are made of that file.

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
    /// What to measure; everything, if nothing is said
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Clone, Subcommand)]
enum What {
    /// Start, first answer, warm answers, memory and size of every function
    Starts {
        /// How often each is started
        #[arg(long, default_value_t = 20)]
        rounds: u64,
        /// How many events each answers after its first, every time
        #[arg(long, default_value_t = 40)]
        warm: u64,
        /// Only these beside `hello`; nothing is written
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Each callback's processor time beside that of its calls of DynamoDB, and how many those are
    Overhead {
        /// How often each is measured
        #[arg(long, default_value_t = 5)]
        rounds: u64,
        /// How many callbacks each time
        #[arg(long, default_value_t = 400)]
        events: usize,
    },
    /// Batches of 100 to 20,000 entries
    Batches {
        /// How often each is measured
        #[arg(long, default_value_t = 5)]
        rounds: u64,
    },
    /// A PDF of 200 MB
    Document {
        /// How often it is measured
        #[arg(long, default_value_t = 5)]
        rounds: u64,
    },
    /// `countersign serve` under rising load
    Load,
    /// Only shows what was measured last, and writes it into README and docs/
    Show,
}

/// What is measured if nothing is said.
const EVERYTHING: [What; 5] = [
    What::Starts { rounds: 20, warm: 40, only: Vec::new() },
    What::Overhead { rounds: 5, events: 400 },
    What::Batches { rounds: 5 },
    What::Document { rounds: 5 },
    What::Load,
];

#[tokio::main]
async fn main() -> Result<()> {
    let root = root();
    let programs = Programs::new(&root);
    report::check_profiles(&root)?;
    let prices = Prices::read(&root)?;
    let mut report = Report::read(&root)?;
    let asked = Arguments::parse().what;
    for what in asked.as_ref().map_or(EVERYTHING.as_slice(), std::slice::from_ref) {
        match what {
            What::Starts { rounds, warm, only } => {
                report.starts = starts::run(&programs, *rounds, *warm, only).await?;
                if !only.is_empty() {
                    tables::print_starts(&report);
                    return Ok(());
                }
            }
            What::Overhead { rounds, events } => report.overheads = overhead::run(&programs, *rounds, *events).await?,
            What::Batches { rounds } => report.batches = batches::run(&programs, *rounds).await?,
            What::Document { rounds } => report.document = Some(document::run(&programs, *rounds).await?),
            What::Load => report.load = Some(load::run(&programs).await?),
            What::Show => {}
        }
        report.costs = costs::of(&report, &prices);
        if !matches!(what, What::Show) {
            report.write(&root)?;
        }
    }
    publish::all(&root, &report, &prices)?;
    tables::print(&report, &prices);
    Ok(())
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
