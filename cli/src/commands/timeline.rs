//! `countersign timeline`: the events, signers and PDFs of one subject.

use clap::Args;
use countersign::{
    domain::{Kind, Provider, Subject, SubjectId, SubjectKind},
    ledger::{Pdf, Timeline as View},
    timeline::timeline,
};

use super::{
    Globals,
    deployed::Deployed,
    documents::documents_table,
    output::{Failure, Output, or_dash, table},
    pdf_signatures, provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Timeline {
    /// The service
    #[arg(value_parser = provider())]
    provider: Provider,

    /// Id of the document, pack or signer, as the service writes it
    id: String,

    /// Kind of subject: document, signer or document_pack [default: the first that has this id]
    #[arg(long, value_parser = kind)]
    kind: Option<SubjectKind>,

    #[command(flatten)]
    deployed: Deployed,
}

fn kind(name: &str) -> Result<SubjectKind, String> {
    name.parse().map_err(|error: countersign::domain::UnknownSubjectKind| error.to_string())
}

impl Timeline {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let not_found = || {
            let (provider, id) = (self.provider, &self.id);
            Failure::not_found(format!("{provider} {id} is unknown: `countersign documents` lists what is stored"))
        };
        let id = SubjectId::parse(self.id.as_str()).map_err(|_| not_found())?;
        let access = Access::open(globals, &self.deployed).await?;
        let (ledger, services) = (access.ledger(), access.services());
        let kinds = [SubjectKind::Document, SubjectKind::DocumentPack, SubjectKind::Signer];
        for kind in kinds.into_iter().filter(|kind| self.kind.is_none_or(|wanted| wanted == *kind)) {
            let subject = Subject { provider: self.provider, kind, id: id.clone() };
            if let Some(timeline) = timeline(&ledger, &services, &subject).await? {
                let text = text(&timeline);
                return Output::new(&timeline, text);
            }
        }
        Err(not_found())
    }
}

fn text(timeline: &View) -> String {
    let mut text = documents_table(std::slice::from_ref(&timeline.document));
    if let Some(archive) = &timeline.document.archive
        && archive.reason.is_some()
    {
        let (state, reason) = (archive.state.as_str(), or_dash(archive.reason.as_ref()));
        text.push_str(&format!(
            "archive: {state}, {reason}, attempts {}, next attempt {}\n",
            archive.attempts,
            or_dash(archive.not_before)
        ));
    }
    text.push_str(&table(
        ["occurred", "event", "value", "kind", "trust", "time source", "deliveries", "delivery"],
        timeline.events.iter().map(|event| {
            [
                event.occurred_at.to_string(),
                event.name.clone(),
                or_dash(event.value.as_ref()),
                event.kind.as_str().to_owned(),
                event.trust.as_str().to_owned(),
                event.time_source.as_str().to_owned(),
                event.deliveries.to_string(),
                event.delivery.as_ref().map_or_else(|| event.source.clone(), ToString::to_string),
            ]
        }),
    ));
    for event in &timeline.events {
        if let Some(note) = &event.note {
            text.push_str(&format!("{} at {}: {note}\n", event.name, event.occurred_at));
        }
    }
    if !timeline.signers.is_empty() {
        let rows =
            timeline.signers.iter().map(|signer| [signer.id.to_string(), or_dash(signer.status.map(Kind::as_str))]);
        text.push_str(&table(["signer", "status"], rows));
    }
    if !timeline.pdfs.is_empty() {
        text.push_str(&pdfs_table(&timeline.pdfs));
        text.push_str(&pdf_signatures::of_pdfs(&timeline.pdfs));
    }
    text
}

/// PDFs as a table.
pub fn pdfs_table(pdfs: &[Pdf]) -> String {
    table(
        ["document", "role", "bytes", "sha256", "signatures", "current", "name in the zip"],
        pdfs.iter().map(|pdf| {
            let current = if pdf.current { "yes" } else { "no" };
            let (size, role) = (pdf.size.to_string(), pdf.role.as_str().to_owned());
            let signatures = or_dash(pdf.signatures.as_ref().map(|found| found.verdict.as_str()));
            let (current, name) = (current.to_owned(), or_dash(pdf.name.as_ref()));
            [pdf.document.clone(), role, size, pdf.sha256.clone(), signatures, current, name]
        }),
    )
}
