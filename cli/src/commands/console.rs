//! `countersign console`: the web page over a deployed stack's table and bucket, with the operator's own AWS
//! credentials; or over the data folder, when no stack is named.

use std::{io::Write, time::Duration};

use clap::Args;
use tokio::{net::TcpListener, sync::watch};

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output},
    serve::told_to_end,
    storage::Access,
};
use crate::console::{self, AccessKey};

/// A page over AWS looks for news so often: each look is some sixty small queries.
const POLL_AWS: Duration = Duration::from_secs(5);
const POLL_FOLDER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Console {
    #[command(flatten)]
    deployed: Deployed,

    /// Let the page make archive orders due again and replay what was refused; without it nothing can be changed
    #[arg(long)]
    allow_retry: bool,

    /// The port on 127.0.0.1; 0 for a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl Console {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let told_to_end = told_to_end()?;
        let mut access = Access::open(globals, &self.deployed).await?;
        let settings = match self.allow_retry && access.has_settings() {
            true => Some(access.settings(None).await?),
            false => None,
        };
        let (label, place) = access.label();
        let (table, bucket) = access.names();
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.map_err(|problem| {
            let port = self.port;
            Failure::new("port_in_use", format!("port {port} on 127.0.0.1: {problem}; --port 0 takes a free one"))
        })?;
        let port = listener.local_addr()?.port();
        let key = AccessKey::new()?;
        let (stop, stopping) = watch::channel(false);
        let router = console::router(console::Options {
            aws: access.aws.clone(),
            table: table.to_owned(),
            bucket: bucket.to_owned(),
            label,
            place,
            allow_retry: self.allow_retry,
            settings,
            gateway: None,
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
        told_to_end.await;
        stop.send_replace(true);
        served.await??;
        Ok(Output::none())
    }
}
