//! `countersign documents`: lists documents and document packs.

use clap::Args;
use countersign::{
    domain::{Kind, Provider},
    ledger::{DocumentPage, DocumentView},
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
    /// Only documents of this service
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// Only documents with this status: draft, sent, viewed, signed, expired, declined, voided, removed or completed
    #[arg(long, value_parser = status)]
    status: Option<Kind>,

    /// Maximum number of documents
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    /// Continue after a page: the `next` that it ended with
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
pub fn documents_table(documents: &[DocumentView]) -> String {
    let header = ["provider", "id", "status", "trust", "since", "events", "archive", "PDFs"];
    table(
        header,
        documents.iter().map(|document| {
            let mut status = or_dash(document.status.map(Kind::as_str));
            if document.conflict {
                status.push_str(" (conflict)");
            }
            if document.unjoined {
                status.push_str(if document.candidates.len() > 1 { " (ambiguous)" } else { " (unjoined)" });
            }
            [
                document.provider.to_string(),
                document.id.to_string(),
                status,
                or_dash(document.trust.map(countersign::domain::Trust::as_str)),
                or_dash(document.occurred_at),
                document.events.to_string(),
                or_dash(document.archive.as_ref().map(|archive| archive.state.as_str())),
                document.pdfs.to_string(),
            ]
        }),
    )
}
