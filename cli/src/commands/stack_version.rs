//! `countersign deployed`: which version a deployed stack runs.

use clap::Args;
use countersign::telemetry::VERSION;
use serde_json::json;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output},
};

#[derive(Debug, Args)]
pub struct StackVersion {
    #[command(flatten)]
    deployed: Deployed,
}

impl StackVersion {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        if !self.deployed.is_named(globals.data.is_some())? {
            return Err(Failure::usage(&"give --stack, the name of a deployed stack"));
        }
        let found = self.deployed.find().await?;
        let version = found.deployment.and_then(|deployment| deployment.version);
        let same = version.as_deref() == Some(VERSION);
        let text = format!(
            "{}\nversion       {}\nthis program  {VERSION}\ntable         {}\nbucket        {}\n",
            found.label,
            version.as_deref().unwrap_or("unknown"),
            found.table,
            found.bucket
        );
        let document = json!({
            "stack": found.label,
            "version": version,
            "this_program": VERSION,
            "same": same,
            "table": found.table,
            "bucket": found.bucket,
        });
        Output::new(&document, text)
    }
}
