//! The results, as stored in `bench/results.json`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{batches::Batch, costs::Cost, document::Document, load::Load, overhead::Overhead, starts::Start};

/// The last results of all experiments. The section of an experiment that has never run is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The UTC date of the last measurement.
    pub date: String,
    /// The commit that was checked out at the last measurement.
    pub commit: String,
    /// The number of processors and their model.
    pub machine: String,
    /// Starts, warm answers, memory, sizes.
    pub starts: Vec<Start>,
    /// Callbacks compared with their DynamoDB calls.
    pub overheads: Vec<Overhead>,
    /// Batches of increasing size.
    pub batches: Vec<Batch>,
    /// A large PDF.
    pub document: Option<Document>,
    /// The local stack under load.
    pub load: Option<Load>,
    /// The cost of a million callbacks.
    pub costs: Vec<Cost>,
}

const FILE: &str = "bench/results.json";

impl Report {
    /// Reads the last report, or returns an empty one if there is none.
    ///
    /// # Errors
    /// When the file isn't in the format of [`Report::write`].
    pub fn read(root: &Path) -> Result<Self> {
        match fs::read_to_string(root.join(FILE)) {
            Ok(text) => serde_json::from_str(&text).context(FILE),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Writes the report with today's date, the current commit and this machine.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&mut self, root: &Path) -> Result<()> {
        self.date = Timestamp::now().to_zoned(TimeZone::UTC).date().to_string();
        let git = Command::new("git").arg("-C").arg(root).args(["rev-parse", "--short", "HEAD"]).output()?;
        self.commit = String::from_utf8_lossy(&git.stdout).trim().to_owned();
        self.machine = machine();
        fs::write(root.join(FILE), serde_json::to_string_pretty(self)? + "\n").context(FILE)
    }

    /// The result of the function with this name, with TLS or without.
    #[must_use]
    pub fn start(&self, name: &str, tls: bool) -> Option<&Start> {
        self.starts.iter().find(|start| start.name == name && start.tls == tls)
    }
}

fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':']));
    format!("{} × {model}", models.len().max(1))
}

/// Checks that `hello`, `bare` and `plain` have the deployed functions' build profile, since they are the lower bound.
///
/// # Errors
/// When the two manifests' release profiles differ.
pub fn check_profiles(root: &Path) -> Result<()> {
    let profile = |file: &str| -> Result<toml::Value> {
        let manifest: toml::Table = fs::read_to_string(root.join(file)).context(file.to_owned())?.parse()?;
        manifest.get("profile").and_then(|profiles| profiles.get("release")).cloned().context("no release profile")
    };
    ensure!(
        profile("Cargo.toml")? == profile("bench/Cargo.toml")?,
        "[profile.release] of bench/Cargo.toml differs from the deployed one in Cargo.toml"
    );
    Ok(())
}
