//! `countersign forget`: erases the personal data of a subject (GDPR, Art. 17).

use clap::Args;
use countersign::{
    domain::{Provider, SubjectId},
    ledger::Held,
    time,
};

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output},
    provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Forget {
    /// The service
    #[arg(value_parser = provider())]
    provider: Provider,

    /// Id of the document, pack or signer, as the service writes it
    id: String,

    /// Also erase objects that Object Lock holds in mode governance; needs s3:BypassGovernanceRetention
    #[arg(long)]
    bypass_governance: bool,

    /// Erase the rest even if Object Lock keeps some objects
    #[arg(long)]
    leave_locked: bool,

    #[command(flatten)]
    deployed: Deployed,
}

impl Forget {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let not_found = || {
            let (provider, id) = (self.provider, &self.id);
            Failure::not_found(format!("{provider} {id} is unknown: `countersign documents` lists what is stored"))
        };
        let id = SubjectId::parse(self.id.as_str()).map_err(|_| not_found())?;
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = if self.bypass_governance { access.ledger().bypassing_governance() } else { access.ledger() };
        if !self.leave_locked {
            let held = countersign::forget::held(&ledger, &access.services(), self.provider, &id).await?;
            if !held.is_empty() {
                return Err(kept_by_object_lock(&held));
            }
        }
        let forgotten =
            countersign::forget::forget(&ledger, &access.services(), self.provider, &id, time::now()).await?;
        let forgotten = forgotten.ok_or_else(not_found)?;
        let mut text = format!(
            "{} {id} is erased: the payloads of {} events, the bodies of {} deliveries, {} objects\n",
            self.provider,
            forgotten.events,
            forgotten.deliveries.len(),
            forgotten.objects.len(),
        );
        for delivery in &forgotten.shared_deliveries {
            text.push_str(&format!("kept: delivery {delivery}, which is about other subjects too\n"));
        }
        for key in &forgotten.kept_objects {
            text.push_str(&format!("kept: {key}, which has a version that is locked or can't be deleted\n"));
        }
        text.push_str("DynamoDB's point-in-time recovery keeps copies for up to 35 days\n");
        let complete = forgotten.kept_objects.is_empty();
        Ok(Output::new(&forgotten, text)?.failed_unless(complete))
    }
}

/// Names what Object Lock would keep, before anything is erased.
fn kept_by_object_lock(held: &[Held]) -> Failure {
    let mut message = "Object Lock keeps these objects, so nothing was erased:\n".to_owned();
    for Held { key, mode, until } in held {
        message.push_str(&format!("{key} until {until} (mode {})\n", mode.to_lowercase()));
    }
    message
        .push_str("--leave-locked erases everything else. --bypass-governance also erases what mode governance keeps");
    Failure::new("locked", message)
}
