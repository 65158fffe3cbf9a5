//! The deployed stack that a command works on instead of the data folder: found by its name, with the operator's own AWS
//! credentials.

use aws_config::SdkConfig;
use clap::Args;
use countersign::{
    aws::{self, Aws, StorageNames},
    ledger::{ArchiveState, Ledger},
    telemetry::VERSION,
};

use super::{
    cloudformation,
    output::{Failure, warn},
};
use crate::deployment::Deployment;

/// The options that name a deployed stack.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Deployed stack")]
pub struct Deployed {
    /// Work on this deployed CloudFormation stack instead of the data folder
    #[arg(long, value_name = "NAME", conflicts_with_all = ["table", "bucket"])]
    stack: Option<String>,

    /// Name of its DynamoDB table, for credentials that may not describe the stack
    #[arg(long, requires_all = ["bucket", "temporary_bucket"])]
    table: Option<String>,

    /// Name of its archive bucket, together with --table
    #[arg(long, requires = "table")]
    bucket: Option<String>,

    /// Name of its temporary bucket, together with --table
    #[arg(long, requires = "table")]
    temporary_bucket: Option<String>,

    /// Profile of the AWS configuration
    #[arg(long)]
    profile: Option<String>,

    /// AWS region
    #[arg(long)]
    region: Option<String>,
}

/// A deployed stack that exists and can be read.
pub struct Found {
    /// Clients of its services.
    pub aws: Aws,
    /// Its table.
    pub table: String,
    /// Its archive.
    pub bucket: String,
    /// Its temporary bucket.
    pub temporary_bucket: String,
    /// What it is, for people: `stack prod · eu-west-1`.
    pub label: String,
    /// Its outputs and parameters; `None` if only table and bucket were given.
    pub deployment: Option<Deployment>,
}

impl Found {
    /// The names of its table and buckets.
    pub fn names(&self) -> StorageNames<'_> {
        StorageNames { table: &self.table, archive: &self.bucket, temporary: &self.temporary_bucket }
    }
}

impl Deployed {
    /// Whether the command works on a deployed stack. `with_data`: whether `--data` was given.
    ///
    /// # Errors
    /// When options for a deployed stack are given without naming one, or a data folder is named as well.
    pub fn is_named(&self, with_data: bool) -> Result<bool, Failure> {
        let is_named = self.stack.is_some() || self.table.is_some();
        if is_named && with_data {
            return Err(Failure::usage(
                &"--data is a folder on this machine and --stack (or --table) a deployed stack: give one of them",
            ));
        }
        if !is_named && (self.profile.is_some() || self.region.is_some()) {
            return Err(Failure::usage(
                &"--profile and --region are for a deployed stack: give --stack, or --table, --bucket and --temporary-bucket",
            ));
        }
        Ok(is_named)
    }

    /// The options that name the stack, for a command line that is shown to people; empty if none is named.
    pub fn as_options(&self) -> String {
        let options = [
            ("stack", &self.stack),
            ("table", &self.table),
            ("bucket", &self.bucket),
            ("temporary-bucket", &self.temporary_bucket),
            ("profile", &self.profile),
            ("region", &self.region),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", value.as_ref()?)));
        given.collect()
    }

    /// Finds the stack, and checks that its table can be read.
    pub async fn find(&self) -> Result<Found, Failure> {
        let config = self.config().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            let message = "no AWS region is set: give --region or --profile, or set AWS_REGION";
            return Err(Failure::new("no_region", message));
        };
        let given = (&self.stack, &self.table, &self.bucket, &self.temporary_bucket);
        let aws = Aws::new(&config, aws::path_style());
        let found = match given {
            (Some(stack), ..) => {
                let deployment = cloudformation::describe(&config, &region, stack).await?;
                warn_of_another_version(&deployment);
                Found {
                    aws,
                    table: deployment.table.clone(),
                    bucket: deployment.bucket.clone(),
                    temporary_bucket: deployment.temporary_bucket.clone(),
                    label: format!("stack {stack} · {region}"),
                    deployment: Some(deployment),
                }
            }
            (None, Some(table), Some(bucket), Some(temporary_bucket)) => Found {
                aws,
                table: table.clone(),
                bucket: bucket.clone(),
                temporary_bucket: temporary_bucket.clone(),
                label: format!("table {table} · {region}"),
                deployment: None,
            },
            _ => return Err(Failure::usage(&"give --stack, or --table, --bucket and --temporary-bucket")),
        };
        // Every command needs the table. One query beforehand gives a clearer error.
        let ledger = Ledger::new(&found.aws, found.names());
        if let Err(problem) = ledger.count_jobs(ArchiveState::Failed, 1).await {
            let table = &found.table;
            let message = format!(
                "the table {table} in {region} can't be read ({problem}): check --region and --profile, and that the \
                 credentials may query it"
            );
            return Err(Failure::new("unreadable", message));
        }
        Ok(found)
    }

    async fn config(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(aws::behavior_version()).timeout_config(aws::timeouts());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        loader.load().await
    }
}

/// Data that another version wrote may be read or recorded differently by this one.
fn warn_of_another_version(deployment: &Deployment) {
    if let Some(version) = deployment.version.as_deref().filter(|version| *version != VERSION) {
        warn(&format!("the stack runs version {version}, and this program is {VERSION}: install that version"));
    }
}
