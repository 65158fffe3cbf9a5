//! `countersign events`: the events on the local stack's bus.

mod follow;

use anyhow::Context;
use clap::Args;
use countersign::{
    domain::Provider,
    publish::{DetailType, UnknownDetailType},
};
use serde::Serialize;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, or_dash, table},
    provider,
};
use crate::bus::{
    Event, EventPage, Filter, Log,
    forwards::{Forward, State},
};

#[derive(Debug, Args)]
pub struct Events {
    /// Only events about this service
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// Only events of this type, such as document.completed
    #[arg(long = "type", value_name = "TYPE", value_parser = detail_type)]
    detail_type: Option<DetailType>,

    /// Maximum number of events; with --follow, of those before the new ones
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Continue after a page: the `next` that it ended with
    #[arg(long, value_name = "NEXT")]
    after: Option<i64>,

    /// Print the latest events, oldest first, and then each new one until interrupted. With --json, one object per line
    #[arg(long, conflicts_with = "after")]
    follow: bool,

    #[command(flatten)]
    deployed: Deployed,
}

fn detail_type(name: &str) -> Result<DetailType, String> {
    name.parse().map_err(|error: UnknownDetailType| error.to_string())
}

/// The events, and the URLs that they are forwarded to.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    page: EventPage,
    forwards: Vec<Forward>,
}

impl Events {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        if self.deployed.is_named(globals.data.is_some())? {
            return Err(Failure::usage(
                &"a deployed stack's events are on its EventBridge bus, which keeps no list of them: docs/events.md \
                  (\"Follow a deployed stack\") has the rule that writes them to a log group, and the command that \
                  follows it",
            ));
        }
        let folder = globals.data();
        std::fs::create_dir_all(folder).with_context(|| format!("the data folder {}", folder.display()))?;
        let log = Log::open(folder)?;
        let filter = Filter { provider: self.provider, detail_type: self.detail_type };
        let limit = usize::from(self.limit);
        if self.follow {
            return follow::run(&log, filter, limit, globals.json).await;
        }
        let page = log.page(filter, self.after, limit).await?;
        let listed = Listed { page, forwards: log.forwards().await? };
        let text = text(&listed);
        Output::new(&listed, text)
    }
}

fn text(listed: &Listed) -> String {
    let page = &listed.page;
    let mut text = if page.events.is_empty() { "no events\n".to_owned() } else { events_table(&page.events) };
    if let Some(next) = &page.next {
        text.push_str(&format!("more: --after {next}\n"));
    }
    for forward in &listed.forwards {
        text.push_str(&forward_line(forward));
    }
    text
}

/// Events as a table.
pub fn events_table(events: &[Event]) -> String {
    table(
        ["time", "type", "provider", "subject", "status", "reason", "PDFs"],
        events.iter().map(|event| {
            [
                event.time.to_string(),
                event.detail_type.clone(),
                or_dash(event.text("provider")),
                or_dash(event.detail["subject"]["id"].as_str()),
                or_dash(event.text("status")),
                or_dash(event.text("reason")),
                event.detail["pdfs"].as_array().map_or(0, Vec::len).to_string(),
            ]
        }),
    )
}

/// A line on a URL that events are forwarded to.
fn forward_line(forward: &Forward) -> String {
    let Forward { url, waiting, attempts, .. } = forward;
    let failure = or_dash(forward.failure.as_ref());
    match forward.state {
        State::Forwarding => format!("forwarding to {url}: {waiting} waiting\n"),
        State::Retrying => format!(
            "retrying {url}: {waiting} waiting, {attempts} failed attempts, the last with {failure}, next at {}\n",
            or_dash(forward.not_before)
        ),
        State::Ended => format!("ended for {url}: {failure}, {waiting} not accepted\n"),
        State::Paused => format!("paused for {url}: {waiting} waiting until `serve --forward-to` names it again\n"),
    }
}
