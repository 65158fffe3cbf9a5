//! `countersign console`: the web page over a deployed stack's table and bucket, with the operator's own AWS credentials;
//! or over the data folder, if no stack is named.

use std::{io::Write, time::Duration};

use clap::Args;
use tokio::{net::TcpListener, sync::watch};

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output},
    serve::interrupted,
    storage::Access,
};
use crate::{
    bus,
    console::{self, AccessKey},
};

/// How often an open page is refreshed. Over AWS, a refresh is about 60 small queries.
const POLL_AWS: Duration = Duration::from_secs(5);
const POLL_FOLDER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Console {
    /// Allow the page to retry archive jobs and replay rejected requests; it is read-only otherwise
    #[arg(long)]
    allow_retry: bool,

    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    #[command(flatten)]
    deployed: Deployed,
}

impl Console {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let interrupted = interrupted()?;
        let mut access = Access::open(globals, &self.deployed).await?;
        let settings = match self.allow_retry && access.has_settings() {
            true => Some(access.settings(None).await?),
            false => None,
        };
        let (label, place) = access.label();
        let names = access.names();
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.map_err(|problem| {
            let port = self.port;
            Failure::new("port_in_use", format!("port {port} on 127.0.0.1: {problem}; --port 0 picks a free one"))
        })?;
        let port = listener.local_addr()?.port();
        let bus = match access.is_deployed() {
            true => None,
            false => Some(bus::Log::open(globals.data())?),
        };
        let key = AccessKey::new()?;
        let (stop, stopping) = watch::channel(false);
        let router = console::router(console::Options {
            aws: access.aws.clone(),
            table: names.table.to_owned(),
            bucket: names.archive.to_owned(),
            temporary_bucket: names.temporary.to_owned(),
            label,
            place,
            allow_retry: self.allow_retry,
            settings,
            gateway: None,
            bus,
            port,
            key: Some(key.clone()),
            poll: if access.is_deployed() { POLL_AWS } else { POLL_FOLDER },
            changes: None,
            stopping: stopping.clone(),
        })?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on http://127.0.0.1:{port}/?key={}", key.reveal())?;
        stdout.flush()?;
        let mut stopping = stopping;
        let shutdown = async move { drop(stopping.wait_for(|stop| *stop).await) };
        let served = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(shutdown).into_future());
        interrupted.await;
        stop.send_replace(true);
        served.await??;
        Ok(Output::none())
    }
}
