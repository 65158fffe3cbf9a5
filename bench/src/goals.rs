//! The goals, and whether they are met. Ratios are of programs that ran in turns in one run.

use crate::{
    contestants::{CALLBACK_PEER, Language},
    report::Report,
    spread::Spread,
    starts::Start,
    tables,
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// A goal and its result.
pub struct Goal {
    /// The measured quantity.
    pub what: String,
    /// The limit, as text.
    pub limit: String,
    /// The measured value, as text.
    pub measured: String,
    /// Whether the value is within the limit.
    pub met: bool,
}

fn at_most(what: impl Into<String>, max: f64, unit: &str, measured: f64, text: String) -> Goal {
    Goal { what: what.into(), limit: format!("≤ {max}{unit}"), measured: text, met: measured <= max }
}

fn at_least(what: impl Into<String>, min: f64, unit: &str, measured: f64, text: String) -> Goal {
    Goal { what: what.into(), limit: format!("≥ {min}{unit}"), measured: text, met: measured >= min }
}

/// All goals for which there are results.
#[must_use]
pub fn of(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    starts(report, &mut goals);
    for overhead in report.overheads.iter().filter(|overhead| overhead.language == Language::Rust) {
        if let Some(rest) = overhead.rest {
            let what = format!("`{}`: CPU of a warm callback without SDK calls and signature", overhead.name);
            // A negative time is noise, which must not meet a goal.
            let value = if rest.lower < 0.0 { f64::NAN } else { rest.median };
            goals.push(at_most(what, 2.0, " × hello", value, tables::spread(&rest, 1)));
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
        let has_openssl = matches!(start.name.as_str(), "v1-batch" | "v1-realtime" | "final-document");
        let max = if has_openssl { 7.0 } else { 4.0 };
        let zip = size.zip as f64 / 1e6;
        goals.push(at_most(format!("`{}`: zip", start.name), max, " MB", zip, format!("{zip:.2}")));
    }
    goals
}

fn starts(report: &Report, goals: &mut Vec<Goal>) {
    for start in report.starts.iter().filter(|start| start.callback && start.tls) {
        let overhead = report.overheads.iter().find(|overhead| overhead.name == start.name);
        let floor = overhead.and_then(|overhead| overhead.first.as_ref());
        let floor = floor.map_or(String::new(), |first| format!("; only its calls {:.1}", first.floor.median));
        let words = tables::spread(&start.ratio, 1) + &floor;
        let what = format!("`{}`: spawn to first answer through TLS", start.name);
        goals.push(at_most(what, 3.0, " × hello", start.ratio.median, words));
        let peer = if start.name == "v1-batch" { "batch" } else { CALLBACK_PEER };
        for (language, min) in [("python", 15.0), ("node", 8.0)] {
            let Some(peer) = report.start(&format!("{language}-{peer}"), false) else { continue };
            let Some(faster) = times_faster(peer, start) else { continue };
            let words = tables::spread(&faster, 1);
            let what = format!("`{}`: spawn to first answer, compared with {language} over plain HTTP", start.name);
            goals.push(at_least(what, min, " × faster", faster.median, words));
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
    let words = format!("{:.2} ({} µs per entry)", last / first, words.join(", "));
    // Linear: an entry costs no more in the largest batch than in the smallest, within the noise of a busy machine.
    let what = format!("time per entry, {} entries compared with {}", largest.entries, report.batches[0].entries);
    goals.push(at_most(what, 1.15, " ×", last / first, words));
}
