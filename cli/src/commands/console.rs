//! `countersign console`: the web page over a deployed stack's table and bucket, with the operator's own AWS
//! credentials; or over the data folder, when no stack is named.

use std::{io::Write, path::Path, time::Duration};

use clap::Args;
use countersign::{
    aws::{self, Aws},
    ledger::{ArchiveState, Ledger},
};
use tokio::{net::TcpListener, sync::watch};

use super::{
    output::{Failure, Output},
    serve::told_to_end,
    storage::Access,
};
use crate::{
    console::{self, AccessKey},
    stack::{BUCKET, TABLE},
};

/// A page over AWS looks for news so often: each look is some sixty small queries.
const POLL_AWS: Duration = Duration::from_secs(5);
const POLL_FOLDER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Console {
    /// The deployed CloudFormation stack
    #[arg(long, value_name = "NAME", conflicts_with_all = ["table", "bucket"])]
    stack: Option<String>,

    /// The deployed table, for credentials that may not describe the stack
    #[arg(long, requires = "bucket")]
    table: Option<String>,

    /// The deployed archive bucket
    #[arg(long, requires = "table")]
    bucket: Option<String>,

    /// The profile in the AWS configuration
    #[arg(long)]
    profile: Option<String>,

    /// The AWS region
    #[arg(long)]
    region: Option<String>,

    /// Let the page make archive orders due again; without it nothing can be changed
    #[arg(long)]
    allow_retry: bool,

    /// The port on 127.0.0.1; 0 for a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// What is shown.
struct Shown {
    aws: Aws,
    table: String,
    bucket: String,
    label: String,
    place: String,
    poll: Duration,
    // Held while it is shown.
    _access: Option<Access>,
}

impl Console {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let told_to_end = told_to_end()?;
        let shown = if self.stack.is_some() || self.table.is_some() {
            self.deployed().await?
        } else {
            let access = Access::open(data).await?;
            let (aws, label, place) = (access.aws.clone(), "data folder".to_owned(), data.display().to_string());
            let (table, bucket) = (TABLE.to_owned(), BUCKET.to_owned());
            Shown { aws, table, bucket, label, place, poll: POLL_FOLDER, _access: Some(access) }
        };
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.map_err(|problem| {
            let port = self.port;
            Failure::new("port_in_use", format!("port {port} on 127.0.0.1: {problem}; --port 0 takes a free one"))
        })?;
        let port = listener.local_addr()?.port();
        let key = AccessKey::new()?;
        let (stop, stopping) = watch::channel(false);
        let router = console::router(console::Options {
            aws: shown.aws.clone(),
            table: shown.table.clone(),
            bucket: shown.bucket.clone(),
            label: shown.label.clone(),
            place: shown.place.clone(),
            allow_retry: self.allow_retry,
            gateway: None,
            port,
            key: Some(key.clone()),
            poll: shown.poll,
            changes: None,
            stopping: stopping.clone(),
        })?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on http://127.0.0.1:{port}/?key={}", key.reveal())?;
        stdout.flush()?;
        let mut stopping = stopping;
        let shutdown = async move { drop(stopping.wait_for(|stop| *stop).await) };
        let served = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(shutdown).into_future());
        told_to_end.await;
        stop.send_replace(true);
        served.await??;
        Ok(Output::none())
    }

    /// Finds a deployed stack, and checks that it can be read before a page is offered.
    async fn deployed(&self) -> Result<Shown, Failure> {
        let mut loader = aws_config::defaults(aws::behavior_version()).timeout_config(aws::timeouts());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        let config = loader.load().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            let message = "no AWS region is set: give --region or --profile, or set AWS_REGION";
            return Err(Failure::new("no_region", message));
        };
        let (table, bucket, name) = match (&self.stack, &self.table, &self.bucket) {
            (Some(stack), ..) => {
                let outputs = super::cloudformation::outputs(&config, &region, stack).await?;
                (outputs.table, outputs.bucket, format!("stack {stack}"))
            }
            (None, Some(table), Some(bucket)) => (table.clone(), bucket.clone(), format!("table {table}")),
            _ => return Err(Failure::usage(&"give --stack, or --table and --bucket")),
        };
        let path_style = std::env::var("AWS_S3_FORCE_PATH_STYLE").is_ok_and(|value| value == "true");
        let aws = Aws::new(&config, path_style);
        // What is asked first by a page is asked once before one is offered.
        let ledger = Ledger::new(&aws, &table, &bucket);
        if let Err(problem) = ledger.count_orders(ArchiveState::Failed, 1).await {
            let message = format!(
                "the table {table} in {region} can't be read ({problem}): check --region and --profile, and that the \
                 credentials may query it"
            );
            return Err(Failure::new("unreadable", message));
        }
        let (label, place) = (format!("{name} · {region}"), format!("table {table}, bucket {bucket}"));
        Ok(Shown { aws, table, bucket, label, place, poll: POLL_AWS, _access: None })
    }
}
