//! The goals, and whether they are met. Ratios are of programs that ran in turns in one run.

use crate::{
    contestants::{CALLBACK_PEER, Language},
    load,
    report::Report,
    spread::Spread,
    starts::Start,
    tables,
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Processor time of a warm callback as a multiple of `hello`'s, before the calls of a callback went out in rounds
/// (2026-11-22, commit cf9f826). Goals are shares of it.
const CPU_BEFORE: [(&str, f64); 4] =
    [("quicklysign-callback", 24.4), ("signeasy-callback", 24.7), ("v1-realtime", 23.1), ("v1-batch", 23.8)];

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
    processor(report, &mut goals);
    memory(report, &mut goals);
    batches(report, &mut goals);
    load(report, &mut goals);
    costs(report, &mut goals);
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
    for start in report.starts.iter().filter(|start| is_callback(start) && start.tls) {
        let overhead = report.overheads.iter().find(|overhead| overhead.name == start.name);
        let floor = overhead.and_then(|overhead| overhead.first.as_ref());
        let floor = floor.map_or(String::new(), |first| format!("; only its calls {:.1}", first.floor.median));
        let words = tables::spread(&start.ratio, 1) + &floor;
        let what = format!("`{}`: spawn to first answer through TLS", start.name);
        goals.push(at_most(what, 5.0, " × hello", start.ratio.median, words));
        let peer = peer_of(start);
        for (language, min) in [("python", 15.0), ("node", 8.0)] {
            let Some(peer) = report.start(&format!("{language}-{peer}"), false) else { continue };
            let Some(faster) = times_faster(peer, start) else { continue };
            let words = tables::spread(&faster, 1);
            let what = format!("`{}`: spawn to first answer, compared with {language} over plain HTTP", start.name);
            goals.push(at_least(what, min, " × faster", faster.median, words));
        }
    }
    for start in report.starts.iter().filter(|start| is_callback(start) && !start.tls) {
        let peer = peer_of(start);
        for language in ["python", "node"] {
            let Some(peer) = report.start(&format!("{language}-{peer}"), false) else { continue };
            let ratio = start.warm_p50 / peer.warm_p50;
            let what = format!("`{}`: p50 of a warm callback", start.name);
            goals.push(at_most(what, 1.0, &format!(" × {language}"), ratio, format!("{ratio:.2}")));
        }
    }
}

/// Whether it is one of ours that receives callbacks.
fn is_callback(start: &Start) -> bool {
    start.callback && start.language == Language::Rust
}

/// The peer with the same kind of events.
fn peer_of(start: &Start) -> &'static str {
    if start.name == "v1-batch" { "batch" } else { CALLBACK_PEER }
}

fn processor(report: &Report, goals: &mut Vec<Goal>) {
    for overhead in &report.overheads {
        let Some(hello) = overhead.hello else { continue };
        let Some((_, before)) = CPU_BEFORE.into_iter().find(|(name, _)| *name == overhead.name) else { continue };
        let ratio = overhead.cpu.median / hello.median;
        let what = format!("`{}`: CPU of a warm callback, as a multiple of hello's", overhead.name);
        let words = format!("{:.2} ({ratio:.1}; before {before:.1})", ratio / before);
        goals.push(at_most(what, 0.6, " × before", ratio / before, words));
    }
}

fn load(report: &Report, goals: &mut Vec<Goal>) {
    let Some(load) = &report.load else { return };
    let kept_up = load.steps.iter().filter(|step| step.kept_up() && step.failed == 0 && step.p99 < 250.0);
    let rate = kept_up.map(|step| step.sent).fold(0.0, f64::max);
    let what = "local stack: mixed callbacks per second with a p99 under 250 ms, all answered with 200";
    goals.push(at_least(what, 200.0, "", rate, format!("{rate:.0}")));
    goals.push(at_most(
        "local stack: accepted callbacks that are lost",
        0.0,
        "",
        load.lost as f64,
        load.lost.to_string(),
    ));
    if let Some(seconds) = load.batch {
        let what = format!("local stack: a batch of {} entries", load::BATCH);
        goals.push(at_most(what, 5.0, " s", seconds, format!("{seconds:.1}")));
    }
}

fn costs(report: &Report, goals: &mut Vec<Goal>) {
    let ours = report.costs.iter().filter(|cost| cost.events == 1 && cost.what.starts_with('`'));
    for cost in ours {
        let sum = cost.sum() - cost.published;
        let what = format!("{}: a million callbacks, without publishing", cost.what);
        goals.push(at_most(what, 6.5, " $", sum, format!("{sum:.2}")));
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
        let ratio = batch.memory[0] / batch.hello_memory;
        let (ours, hello) = (batch.memory[0] / MEBIBYTE, batch.hello_memory / MEBIBYTE);
        let words =
            format!("{ratio:.2} ({ours:.1} and {hello:.1} MiB for a body of {:.1} MB)", batch.body as f64 / 1e6);
        goals.push(at_most("`v1-batch`: peak memory, the largest batch", 1.25, " × hello", ratio, words));
    }
}

fn batches(report: &Report, goals: &mut Vec<Goal>) {
    let Some(largest) = report.batches.last() else { return };
    let words = tables::spread(&largest.ratio, 2);
    let what = format!("a batch of {} entries: time", largest.entries);
    goals.push(at_most(what, 1.15, " × the bare calls", largest.ratio.median, words));
    let by_entry: Vec<f64> =
        report.batches.iter().map(|batch| batch.time.median * 1_000.0 / batch.entries as f64).collect();
    let (first, last) = (by_entry.first().copied().unwrap_or(f64::NAN), by_entry.last().copied().unwrap_or(f64::NAN));
    let words: Vec<String> = by_entry.iter().map(|time| format!("{time:.0}")).collect();
    let words = format!("{:.2} ({} µs per entry)", last / first, words.join(", "));
    // Linear: an entry costs no more in the largest batch than in the smallest, within the noise of a busy machine.
    let what = format!("time per entry, {} entries compared with {}", largest.entries, report.batches[0].entries);
    goals.push(at_most(what, 1.15, " ×", last / first, words));
}
