//! `countersign probe`: finds the form of a proof that a service documents only in part, from stored deliveries.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use countersign::{
    domain::{LedgerError, Provider},
    providers::Services,
    replay::Selection,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, table},
    progress::Progress,
    provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Probe {
    /// The service
    #[arg(value_parser = provider())]
    service: Provider,

    /// Only deliveries received since this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Folder with the secrets of the local stack [default: the stack's own]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,

    #[command(flatten)]
    deployed: Deployed,
}

/// The result over all deliveries.
#[derive(Default, Serialize)]
struct Probed {
    /// The variable that names the form.
    setting: &'static str,
    /// Number of deliveries that carry such a proof.
    with_proof: usize,
    /// Number of deliveries that don't.
    without_proof: usize,
    /// For each form, the number of deliveries for which it holds.
    forms: BTreeMap<&'static str, usize>,
    /// The form that holds for every proof, if there is exactly one.
    form: Option<&'static str>,
}

impl Probe {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let mut access = Access::open(globals, &self.deployed).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let services = Services::verifying(&settings, &access.aws);
        let (ledger, service) = (access.ledger(), services.of(self.service));
        let selection = Selection { since: self.since, provider: Some(self.service) };
        let records = selection.deliveries(&ledger).await?;
        let progress = Progress::of(globals, "probing", records.len());
        let mut probed = Probed::default();
        for record in records {
            let probe = match ledger.delivery(&record.id).await {
                Ok(Some(stored)) => service.probe(&stored.delivery).await,
                Ok(None) | Err(LedgerError::Forgotten | LedgerError::BodyChanged | LedgerError::BodyDenied) => continue,
                Err(problem) => return Err(problem.into()),
            };
            let probe = probe.map_err(|problem| Failure::new("not_configured", problem.to_string()))?;
            let Some(probe) = probe else {
                let message = format!("{} has no proof whose form is unknown", self.service.display_name());
                return Err(Failure::new("nothing_to_probe", message));
            };
            probed.add(&probe);
            progress.step();
        }
        drop(progress);
        probed.decide();
        Ok(Output::new(&probed, text(&probed))?.failed_unless(probed.form.is_some()))
    }
}

impl Probed {
    fn add(&mut self, probe: &countersign::providers::Probe) {
        self.setting = probe.setting;
        for form in &probe.forms {
            self.forms.entry(form).or_default();
        }
        match &probe.matching {
            Some(matching) => {
                self.with_proof += 1;
                for form in matching {
                    *self.forms.entry(form).or_default() += 1;
                }
            }
            None => self.without_proof += 1,
        }
    }

    fn decide(&mut self) {
        let mut all = self.forms.iter().filter(|(_, count)| self.with_proof > 0 && **count == self.with_proof);
        let form = all.next().map(|(form, _)| *form);
        self.form = form.filter(|_| all.next().is_none());
    }
}

fn text(probed: &Probed) -> String {
    if probed.with_proof == 0 {
        return format!("None of {} deliveries carries such a proof.\n", probed.without_proof);
    }
    let rows =
        probed.forms.iter().map(|(form, count)| [(*form).to_owned(), format!("{count} of {}", probed.with_proof)]);
    let next = match probed.form {
        Some(form) => format!("Every proof has the form {form}: set {}={form}\n", probed.setting),
        None => {
            "No single form holds for every proof. If a secret was changed, give the old and the new one, or probe \
                 with --since.\n"
                .to_owned()
        }
    };
    format!("{}{} deliveries carry no such proof.\n{next}", table(["form", "holds for"], rows), probed.without_proof)
}
