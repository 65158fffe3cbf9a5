//! `countersign deliveries`: the deliveries of a day, with their outcomes.

use clap::Args;
use countersign::{
    domain::{Outcome, Provider},
    ledger::{DeliveryFilter, DeliveryPage},
    time,
};
use jiff::civil::Date;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, table},
    provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Deliveries {
    /// UTC day, such as 2026-11-22 [default: today]
    #[arg(long, value_parser = day)]
    day: Option<Date>,

    /// Only deliveries of this service
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// Only deliveries with this outcome: recorded, duplicate, set_aside, or accepted (not recorded yet, whatever the day)
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,

    /// Maximum number of deliveries
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Continue after a page: the `next` that it ended with
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,

    #[command(flatten)]
    deployed: Deployed,
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day is written as in 2026-11-22".to_owned())
}

fn outcome(name: &str) -> Result<Outcome, String> {
    Outcome::parse(name).ok_or_else(|| "not an outcome: accepted, recorded, duplicate or set_aside".to_owned())
}

impl Deliveries {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        let limit = usize::from(self.limit);
        let page = if self.outcome == Some(Outcome::Accepted) {
            let mut deliveries = ledger.unfinished_records(limit).await?;
            deliveries.retain(|record| self.provider.is_none_or(|provider| provider == record.provider));
            DeliveryPage { deliveries, next: None }
        } else {
            let day = self.day.map_or_else(|| time::format(time::now())[..10].to_owned(), |day| day.to_string());
            let filter = DeliveryFilter { provider: self.provider, outcome: self.outcome };
            ledger.deliveries_page(&day, filter, self.after.as_deref(), limit).await?
        };
        let text = text(&page);
        Output::new(&page, text)
    }
}

fn text(page: &DeliveryPage) -> String {
    if page.deliveries.is_empty() && page.next.is_none() {
        return "no deliveries\n".to_owned();
    }
    let rows = page.deliveries.iter().map(|record| {
        let proof = match &record.certificate {
            Some(certificate) => format!("signature {}", certificate.short()),
            None => format!("token {}", record.token + 1),
        };
        [
            record.received_at.to_string(),
            record.provider.to_string(),
            record.outcome.as_str().to_owned(),
            record.reason.clone(),
            proof,
            record.events.to_string(),
            record.size.to_string(),
            record.id.to_string(),
        ]
    });
    let mut text = table(["received", "provider", "outcome", "reason", "proof", "events", "bytes", "delivery"], rows);
    if let Some(next) = &page.next {
        text.push_str(&format!("more: --after '{next}'\n"));
    }
    text
}
