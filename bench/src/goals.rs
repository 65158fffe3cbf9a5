//! The goals, and whether they are met. Each is a ratio of things that were measured in turns in one run.

use crate::{
    contestants::{CALLBACK_PEER, Language},
    report::Report,
    spread::Spread,
    starts::Start,
    tables,
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// A goal and what came of it.
pub struct Goal {
    /// What is wanted.
    pub what: String,
    /// The most or the least that is wanted, in words.
    pub wanted: String,
    /// What was measured.
    pub measured: String,
    /// Whether that is enough.
    pub met: bool,
}

fn at_most(what: impl Into<String>, most: f64, unit: &str, measured: f64, words: String) -> Goal {
    Goal { what: what.into(), wanted: format!("≤ {most}{unit}"), measured: words, met: measured <= most }
}

fn at_least(what: impl Into<String>, least: f64, unit: &str, measured: f64, words: String) -> Goal {
    Goal { what: what.into(), wanted: format!("≥ {least}{unit}"), measured: words, met: measured >= least }
}

/// All goals of which something was measured.
#[must_use]
pub fn of(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    starts(report, &mut goals);
    for overhead in report.overheads.iter().filter(|overhead| overhead.language == Language::Rust) {
        if let Some(rest) = overhead.rest {
            let what = format!("`{}`: CPU of a warm callback without the SDK's calls and the signature", overhead.name);
            // Less than nothing is noise, and noise meets no goal.
            let judged = if rest.lower < 0.0 { f64::NAN } else { rest.median };
            goals.push(at_most(what, 2.0, " × hello", judged, tables::spread(&rest, 1)));
        }
    }
    memory(report, &mut goals);
    batches(report, &mut goals);
    if let Some(document) = &report.document {
        let (memory, ratio) = (document.memory.median / MEBIBYTE, document.ratio);
        goals.push(at_most("a PDF of 200 MB: peak memory", 64.0, " MiB", memory, format!("{memory:.1}")));
        let words = tables::spread(&ratio, 2);
        goals.push(at_most("a PDF of 200 MB: time", 1.2, " × plain download and put", ratio.median, words));
    }
    for start in report.starts.iter().filter(|start| start.language == Language::Rust && !start.tls) {
        let Some(size) = start.size.filter(|_| start.name != "hello") else { continue };
        let (most, zip) = (if start.name == "v1-batch" { 7.0 } else { 4.0 }, size.zip as f64 / 1e6);
        goals.push(at_most(format!("`{}`: zip", start.name), most, " MB", zip, format!("{zip:.2}")));
    }
    goals
}

fn starts(report: &Report, goals: &mut Vec<Goal>) {
    for start in report.starts.iter().filter(|start| start.callback && start.tls) {
        let overhead = report.overheads.iter().find(|overhead| overhead.name == start.name);
        let floor = overhead.and_then(|overhead| overhead.first.as_ref());
        let floor = floor.map_or(String::new(), |first| format!("; its calls alone {:.1}", first.floor.median));
        let words = tables::spread(&start.ratio, 1) + &floor;
        let what = format!("`{}`: spawn to first answer through TLS", start.name);
        goals.push(at_most(what, 3.0, " × hello", start.ratio.median, words));
        let peer = if start.name == "v1-batch" { "batch" } else { CALLBACK_PEER };
        for (language, least) in [("python", 15.0), ("node", 8.0)] {
            let Some(peer) = report.start(&format!("{language}-{peer}"), false) else { continue };
            let Some(faster) = times_faster(peer, start) else { continue };
            let words = tables::spread(&faster, 1);
            let what = format!("`{}`: the same, beside {language} over plain HTTP", start.name);
            goals.push(at_least(what, least, " × faster", faster.median, words));
        }
    }
}

fn times_faster(slow: &Start, fast: &Start) -> Option<Spread> {
    Spread::of_ratios(&slow.rounds, &fast.rounds)
}

fn memory(report: &Report, goals: &mut Vec<Goal>) {
    for start in report.starts.iter().filter(|start| start.callback && start.tls) {
        let memory = start.memory.median / MEBIBYTE;
        let what = format!("`{}`: peak memory, small callbacks", start.name);
        goals.push(at_most(what, 20.0, " MiB", memory, format!("{memory:.1}")));
    }
    if let Some(batch) = report.batches.last() {
        let times = batch.memory[0] / batch.body as f64;
        let (memory, body) = (batch.memory[0] / 1e6, batch.body as f64 / 1e6);
        let floor = batch.hello_memory / batch.body as f64;
        let words = format!("{times:.1} ({memory:.0} MB for {body:.1} MB); the empty function {floor:.1}");
        goals.push(at_most("`v1-batch`: peak memory, the largest batch", 4.0, " × the body", times, words));
    }
}

fn batches(report: &Report, goals: &mut Vec<Goal>) {
    let Some(largest) = report.batches.last() else { return };
    let words = tables::spread(&largest.ratio, 2);
    let what = format!("a batch of {} entries: time", largest.entries);
    goals.push(at_most(what, 1.3, " × the bare calls", largest.ratio.median, words));
    let by_entry: Vec<f64> =
        report.batches.iter().map(|batch| batch.time.median * 1_000.0 / batch.entries as f64).collect();
    let (first, last) = (by_entry.first().copied().unwrap_or(f64::NAN), by_entry.last().copied().unwrap_or(f64::NAN));
    let words: Vec<String> = by_entry.iter().map(|time| format!("{time:.0}")).collect();
    let words = format!("{:.2} ({} µs an entry)", last / first, words.join(", "));
    // Linear: an entry among twenty thousand costs no more than one among a hundred, within a busy machine's noise.
    let what = format!("time by the entry, {} entries beside {}", largest.entries, report.batches[0].entries);
    goals.push(at_most(what, 1.15, " ×", last / first, words));
}
