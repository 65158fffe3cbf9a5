//! `countersign forget`: erases a subject's personal data where the law asks for it.

use clap::Args;
use countersign::{provider::Provider, subject::SubjectId, time};

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
    #[arg(value_parser = provider)]
    provider: Provider,

    /// The id of the document, pack or signer, as the service writes it
    id: String,

    #[command(flatten)]
    deployed: Deployed,
}

impl Forget {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let nothing = || {
            let (provider, id) = (self.provider, &self.id);
            Failure::not_found(format!("nothing is known of {provider} {id}: `countersign documents` lists what is"))
        };
        let id = SubjectId::parse(self.id.as_str()).map_err(|_| nothing())?;
        let access = Access::open(globals, &self.deployed).await?;
        let forgotten = countersign::forget::forget(&access.ledger(), self.provider, &id, time::now()).await?;
        let forgotten = forgotten.ok_or_else(nothing)?;
        let mut text = format!(
            "{} {id} is forgotten: erased the payloads of {} events, the bodies of {} deliveries, {} objects\n",
            self.provider,
            forgotten.events,
            forgotten.deliveries.len(),
            forgotten.objects.len(),
        );
        for delivery in &forgotten.shared_deliveries {
            text.push_str(&format!("kept: delivery {delivery}, which tells of others too\n"));
        }
        for key in &forgotten.kept_objects {
            text.push_str(&format!("kept: {key}, a version of which is locked or can't be deleted\n"));
        }
        text.push_str("copies outlive this for up to 35 days in DynamoDB's point-in-time recovery\n");
        let complete = forgotten.kept_objects.is_empty();
        Ok(Output::new(&forgotten, text)?.failed_unless(complete))
    }
}
