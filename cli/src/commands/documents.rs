//! `countersign documents`: lists documents and packs.

use clap::Args;
use countersign::{
    event::Kind,
    ledger::{Document, DocumentPage},
    provider::Provider,
};

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, or_dash, table},
    provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Documents {
    /// Only those of one service
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,

    /// Only those of one status: draft, sent, viewed, signed, expired, declined, voided, removed or completed
    #[arg(long, value_parser = status)]
    status: Option<Kind>,

    /// So many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Go on where a page ended: its `next`
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,

    #[command(flatten)]
    deployed: Deployed,
}

fn status(name: &str) -> Result<Kind, String> {
    let status = Kind::parse(name).filter(|kind| kind.rank().is_some());
    status.ok_or_else(|| "not a status".to_owned())
}

impl Documents {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let ledger = Access::open(globals, &self.deployed).await?;
        let ledger = ledger.ledger();
        let page = ledger.documents(self.provider, self.status, self.after.as_deref(), self.limit.into()).await?;
        let text = text(&page);
        Output::new(&page, text)
    }
}

fn text(page: &DocumentPage) -> String {
    if page.documents.is_empty() {
        return "no documents\n".to_owned();
    }
    let mut text = documents_table(&page.documents);
    if let Some(next) = &page.next {
        text.push_str(&format!("more: --after '{next}'\n"));
    }
    text
}

/// Documents as a table.
pub fn documents_table(documents: &[Document]) -> String {
    let header = ["provider", "id", "status", "trust", "since", "events", "archive", "PDFs"];
    table(
        header,
        documents.iter().map(|document| {
            let mut status = or_dash(document.status.map(Kind::as_str));
            if document.conflict {
                status.push_str(" (conflict)");
            }
            if document.unjoined {
                status.push_str(" (unjoined)");
            }
            [
                document.provider.to_string(),
                document.id.clone(),
                status,
                or_dash(document.trust.map(countersign::event::Trust::as_str)),
                or_dash(document.occurred_at),
                document.events.to_string(),
                or_dash(document.archive.as_ref().map(|archive| archive.state.as_str())),
                document.pdfs.to_string(),
            ]
        }),
    )
}
