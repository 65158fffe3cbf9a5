//! The tables in Markdown, for the terminal and `docs/`.

use std::fmt::Write;

use crate::{
    contestants::Language,
    costs::Prices,
    goals,
    load::{BATCH, Load},
    report::Report,
    spread::Spread,
    starts::Start,
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Prints all results.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub fn print(report: &Report, prices: &Prices) {
    println!("{} · {} · commit {}\n", report.date, report.machine, report.commit);
    let tables = [starts(report), overheads(report), batches(report), document(report), load(report)];
    for table in tables.into_iter().chain([costs(report, prices), goals(report)]) {
        println!("{table}");
    }
}

/// Prints only the starts.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub fn print_starts(report: &Report) {
    println!("{}", starts(report));
}

/// `median (lower quartile–upper quartile)`.
#[must_use]
pub fn spread(spread: &Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$}–{:.digits$})", spread.median, spread.lower, spread.upper)
}

/// A table, or an empty text if there are no rows.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = String::new();
    for (number, row) in rows.enumerate() {
        if number == 0 {
            let _ = writeln!(table, "| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
        }
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    table
}

/// Starts and warm answers of all programs.
#[must_use]
pub fn starts(report: &Report) -> String {
    let columns = [
        "",
        "spawn to first request, ms",
        "to first answer, ms",
        "× hello",
        "CPU to first answer, ms",
        "× hello",
        "warm p50 / p99, ms",
        "CPU per warm event, ms",
        "peak MiB",
        "binary / zip MB",
    ];
    let rows = report.starts.iter().map(|start| {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let size = start.size.map(|size| format!("{:.1} / {:.2}", megabytes(size.binary), megabytes(size.zip)));
        vec![
            label(start),
            spread(&start.to_first_request, 1),
            spread(&start.to_first_answer, 1),
            spread(&start.ratio, 1),
            spread(&start.first_cpu, 1),
            spread(&start.cpu_ratio, 1),
            format!("{:.1} / {:.1}", start.warm_p50, start.warm_p99),
            spread(&start.warm_cpu, 2),
            format!("{:.1}", start.memory.median / MEBIBYTE),
            size.unwrap_or_default(),
        ]
    });
    table(&columns, rows)
}

fn label(start: &Start) -> String {
    let tls = if start.tls { ", TLS" } else { "" };
    match start.language {
        Language::Rust => format!("`{}`{tls}", start.name),
        Language::Python => {
            start.name.replace("python-guaranteed", "Python, callback, same guarantees").replace("python-", "Python, ")
        }
        Language::Node => start.name.replace("node-", "Node, "),
    }
}

/// Callbacks compared with their calls.
#[must_use]
pub fn overheads(report: &Report) -> String {
    let columns = [
        "one warm callback",
        "calls",
        "rounds",
        "write units",
        "read units",
        "CPU, ms",
        "CPU of its calls, ms",
        "CPU of the signature, ms",
        "remaining CPU × hello",
        "first answer, ms",
        "× only its calls",
        "only its calls × hello",
    ];
    let rows = report.overheads.iter().map(|overhead| {
        let calls = overhead.bare.zip(overhead.hello).map(|(bare, hello)| bare.median - hello.median);
        vec![
            format!("`{}`", overhead.name),
            format!("{:.0}", overhead.calls),
            format!("{:.1}", overhead.rounds),
            format!("{:.1}", overhead.write_units),
            format!("{:.1}", overhead.read_units),
            spread(&overhead.cpu, 2),
            calls.map_or(String::new(), |calls| format!("{calls:.2}")),
            format!("{:.3}", overhead.signature),
            overhead.rest.as_ref().map_or(String::new(), |rest| spread(rest, 1)),
            overhead.first.as_ref().map_or(String::new(), |first| spread(&first.ours, 1)),
            overhead.first.as_ref().map_or(String::new(), |first| spread(&first.beside_bare, 2)),
            overhead.first.as_ref().map_or(String::new(), |first| spread(&first.floor, 1)),
        ]
    });
    table(&columns, rows)
}

/// Batches of increasing size.
#[must_use]
pub fn batches(report: &Report) -> String {
    let columns = [
        "entries",
        "body MB",
        "`v1-batch`, ms",
        "the bare calls, ms",
        "ratio",
        "Python, ms",
        "Node, ms",
        "peak MiB: `v1-batch` / `hello` / Python / Node",
        "calls, single + batch",
        "write units",
    ];
    let rows = report.batches.iter().map(|batch| {
        let [ours, python, node] = batch.memory.map(|bytes| bytes / MEBIBYTE);
        let [single, many] = batch.calls;
        let peer = |time: &Option<Spread>| time.map_or(String::new(), |time| format!("{:.0}", time.median));
        vec![
            batch.entries.to_string(),
            format!("{:.2}", batch.body as f64 / 1e6),
            spread(&batch.time, 0),
            spread(&batch.bare, 0),
            spread(&batch.ratio, 2),
            peer(&batch.python),
            peer(&batch.node),
            format!("{ours:.0} / {:.0} / {python:.0} / {node:.0}", batch.hello_memory / MEBIBYTE),
            format!("{single} + {many}"),
            format!("{:.0}", batch.write_units),
        ]
    });
    table(&columns, rows)
}

/// A large PDF.
#[must_use]
pub fn document(report: &Report) -> String {
    let columns = ["a PDF of", "worker, ms", "plain download and put, ms", "ratio", "peak MiB: worker / plain"];
    let rows = report.document.iter().map(|document| {
        let [worker, plain] = [document.memory, document.bare_memory].map(|memory| memory.median / MEBIBYTE);
        vec![
            format!("{} MB", document.size / 1_000_000),
            spread(&document.time, 0),
            spread(&document.bare, 0),
            spread(&document.ratio, 2),
            format!("{worker:.1} / {plain:.1}"),
        ]
    });
    table(&columns, rows)
}

/// The local stack under load.
#[must_use]
pub fn load(report: &Report) -> String {
    let columns =
        ["callbacks per second", "answered in time, per second", "p50, ms", "p99, ms", "not answered with 200"];
    let steps = report.load.iter().flat_map(|load| &load.steps);
    let rows = steps.map(|step| {
        vec![
            format!("{:.0}", step.sent),
            format!("{:.0}", step.answered),
            format!("{:.1}", step.p50),
            format!("{:.1}", step.p99),
            step.failed.to_string(),
        ]
    });
    let mut text = table(&columns, rows);
    if let Some(load) = &report.load {
        if let Some(seconds) = load.batch {
            let _ = writeln!(
                text,
                "\nA batch of {BATCH} entries was answered after {seconds:.1} s, before these callbacks."
            );
        }
        let Load { accepted, recorded_later, lost, .. } = load;
        let _ = writeln!(
            text,
            "\n{accepted} callbacks were acknowledged. {recorded_later} of them were recorded only later, by the sweep. \
             {lost} were lost."
        );
    }
    text
}

/// The cost of a million callbacks.
#[must_use]
pub fn costs(report: &Report, prices: &Prices) -> String {
    let columns = [
        "a million callbacks",
        "Lambda: MB × ms",
        "write units per callback",
        "Lambda, $",
        "DynamoDB, $",
        "gateway, S3, logs, traces, $",
        "publishing, $",
        "sum, $",
        "a million events, $",
    ];
    let rows = report.costs.iter().map(|cost| {
        vec![
            cost.what.clone(),
            format!("{:.0} × {:.0}", cost.memory, cost.billed),
            format!("{:.1}", cost.write_units),
            format!("{:.2}", cost.lambda),
            format!("{:.2}", cost.dynamodb),
            format!("{:.2}", cost.others),
            format!("{:.2}", cost.published),
            format!("**{:.2}**", cost.sum()),
            format!("{:.2}", cost.sum() / cost.events as f64),
        ]
    });
    let text = table(&columns, rows);
    if text.is_empty() { text } else { format!("{text}\nPrices of {}, {}.\n", prices.date, prices.region) }
}

/// The goals.
#[must_use]
pub fn goals(report: &Report) -> String {
    let rows = goals::of(report).into_iter().map(|goal| {
        vec![goal.what, goal.limit, goal.measured, if goal.met { "yes".to_owned() } else { "**no**".to_owned() }]
    });
    table(&["goal", "limit", "measured, median (quartiles)", "met"], rows)
}
