//! `--follow`: prints events as they are published.

use std::{io::Write, time::Duration};

use crate::{
    bus::{Event, Filter, Log},
    commands::{
        output::{Failure, Output, harmless, or_dash},
        serve::interrupted,
    },
};

/// How often to look for new events. They are written by another process, which doesn't notify.
const POLL: Duration = Duration::from_millis(200);

/// Maximum number of events that are read at once.
const BATCH: usize = 100;

/// Prints the latest `limit` events, then new ones until the process is interrupted or its output is closed.
pub async fn run(log: &Log, filter: Filter, limit: usize, json: bool) -> Result<Output, Failure> {
    let interrupted = interrupted()?;
    let follow = async {
        let mut events = log.page(filter, None, limit).await?.events;
        events.reverse();
        // Without a matching event, everything that follows is new.
        let mut position = events.last().map_or(0, |event| event.position);
        loop {
            for event in &events {
                if print(event, json).is_err() {
                    return Ok(Output::none());
                }
                position = event.position;
            }
            if events.is_empty() {
                tokio::time::sleep(POLL).await;
            }
            events = log.after(position, filter, BATCH).await?;
        }
    };
    tokio::select! {
        followed = follow => followed,
        () = interrupted => Ok(Output::none()),
    }
}

/// Prints an event on a line of its own: JSON, or its main facts.
fn print(event: &Event, json: bool) -> std::io::Result<()> {
    let line = if json { serde_json::to_string(event)? } else { harmless(&line(event)) };
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn line(event: &Event) -> String {
    let subject = or_dash(event.detail["subject"]["id"].as_str());
    let facts = [event.text("provider"), Some(&subject), event.text("status"), event.text("reason")];
    let facts: Vec<&str> = facts.into_iter().flatten().collect();
    format!("{} {} {}", event.time, event.detail_type, facts.join(" "))
}
