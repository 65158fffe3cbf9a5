//! The local stack: AWS and the four services as far as Countersign needs them, in one process on loopback.
//!
//! The functions' own code runs behind a gateway that builds real API Gateway events, and uses an embedded DynamoDB and S3
//! through the real AWS SDK. A pipe reads the table's stream and fills the queue of `final-document`; schedules call
//! `reconcile`. A simulator answers the services' APIs unless their real URLs are set.

mod containers;
pub mod dynamodb;
mod environment;
mod folder;
mod functions;
pub mod gateway;
mod options;
mod pipe;
mod publisher;
mod queue;
pub mod s3;
mod schedules;
mod storage;
pub mod stream;
mod tasks;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use countersign::{
    aws::{Aws, StorageNames},
    domain::{Provider, Route},
    ledger::Ledger,
    providers,
    settings::Settings,
};
use dynoxide::Database;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use crate::programs_only::Key;
pub use crate::secrets::Secrets;
use crate::{
    bus::{
        self,
        forwards::{self, Forwards},
    },
    simulator::{self, Simulator},
};
pub use containers::{Containers, Host};
pub use environment::{environment, process_environment};
pub use folder::{Endpoints, Folder, Taken};
pub use functions::Functions;
pub use options::{ConsoleContext, Options};
pub use storage::{Storage, clients, eventbridge_client};
use tasks::Tasks;

/// The table's name in the local stack.
pub const TABLE: &str = "countersign";
/// The bucket's name in the local stack.
pub const BUCKET: &str = "countersign-archive";
/// The temporary bucket's name in the local stack.
pub const TEMPORARY_BUCKET: &str = "countersign-temporary";
/// The names of the local stack's table and buckets.
pub const STORAGE: StorageNames<'static> = StorageNames { table: TABLE, archive: BUCKET, temporary: TEMPORARY_BUCKET };
/// The region of the local stack's clients. The embedded services ignore it.
pub const REGION: &str = "eu-west-1";

/// Grace period for in-flight work on shutdown. Supervisors kill after ten seconds.
const GRACE: Duration = Duration::from_secs(6);

/// Grace period for DynamoDB, S3, the event bus and the simulator, which are no longer in use by then.
const GRACE_FOR_SERVICES: Duration = Duration::from_secs(2);

/// A running local stack. [`Self::stop`] ends it in order; dropping it cuts it off.
pub struct Stack {
    /// Its endpoints.
    pub endpoints: Endpoints,
    /// Clients of its DynamoDB and S3.
    pub aws: Aws,
    /// The events on its bus.
    pub bus: bus::Log,
    /// Its functions.
    pub functions: Arc<Functions>,
    /// The simulated services.
    pub simulator: Simulator,
    /// The settings of its functions.
    pub settings: Settings,
    /// The secrets in use.
    pub secrets: Secrets,
    folder: Folder,
    /// The gateway, the queue, the pipe, the schedules and the forwards.
    parts: Tasks,
    /// DynamoDB, S3, the event bus and the simulator, which the parts need.
    services: Tasks,
}

impl Stack {
    /// Starts a stack on `folder`.
    ///
    /// # Errors
    /// When a file can't be opened, the port is in use, or the settings are wrong.
    pub async fn start(folder: Folder, options: Options) -> Result<Self> {
        let mut services = Tasks::new();
        let stopping = services.stopping();
        let storage = Storage::open(folder.path(), &mut services.running, &stopping).await?;
        let (simulator, simulator_url) = simulate(&options.secrets, &mut services.running, &stopping).await?;

        let (listener, http) = bind(options.port).await?;
        let environment = environment(&options, &simulator_url, &http);
        let settings = providers::settings(|name| environment.get(name).cloned())?;
        let eventbridge = eventbridge_client(&storage.eventbridge, &storage.key).await;
        let functions = Arc::new(Functions::start(&settings, &storage.aws, eventbridge).await);

        let endpoints = endpoints(&options, &settings, &environment, &storage, http, simulator_url);
        let mut stack = Self {
            endpoints,
            aws: storage.aws,
            bus: storage.bus,
            functions,
            simulator,
            settings,
            secrets: options.secrets.clone(),
            folder,
            parts: Tasks::new(),
            services,
        };
        stack.start_parts(listener, &options, storage.database).await?;
        stack.folder.announce(&stack.endpoints)?;
        Ok(stack)
    }

    /// Starts the gateway, the queue, the pipe, the schedules and the forwards.
    async fn start_parts(&mut self, listener: TcpListener, options: &Options, database: Database) -> Result<()> {
        let (changed, changes) = watch::channel(0);
        self.start_gateway(listener, options.console, changes)?;
        self.start_archiving(options.piped.then(|| database.clone()), changed)?;
        if options.piped {
            self.start_publishing(database.clone())?;
        }
        recover(&self.ledger()).await?;
        if options.scheduled {
            self.start_schedules(database);
        }
        self.start_forwards(options.forwards.as_ref()).await
    }

    /// Starts the gateway, with a console beside it if there is one.
    fn start_gateway(
        &mut self,
        listener: TcpListener,
        console: Option<fn(ConsoleContext) -> Result<Router>>,
        changes: watch::Receiver<u64>,
    ) -> Result<()> {
        let context = ConsoleContext {
            aws: self.aws.clone(),
            bus: self.bus.clone(),
            settings: self.settings.clone(),
            secrets: self.secrets.clone(),
            folder: self.folder.path().to_owned(),
            url: self.endpoints.http.clone(),
            port: listener.local_addr()?.port(),
            changes,
            stopping: self.parts.stopping(),
        };
        let console = console.map(|router| router(context)).transpose()?.unwrap_or_default();
        let shutdown = stopped(self.parts.stopping());
        self.parts.spawn(gateway::serve(listener, Arc::clone(&self.functions), console, shutdown));
        Ok(())
    }

    /// Starts the queue; and, given a database, the pipe that fills it from the database's stream.
    fn start_archiving(&mut self, database: Option<Database>, changed: watch::Sender<u64>) -> Result<()> {
        let (queue, worker) = queue::queue(Arc::clone(&self.functions), self.parts.stopping());
        self.parts.spawn(worker);
        if let Some(database) = database {
            let pipe = pipe::Pipe::open(database, TABLE)?;
            self.parts.spawn(pipe.run(queue, changed, self.parts.stopping()));
        }
        Ok(())
    }

    /// Starts the publisher, which reads the database's stream, too.
    fn start_publishing(&mut self, database: Database) -> Result<()> {
        let functions = Arc::clone(&self.functions);
        let publisher = publisher::Publisher::open(functions, database, TABLE, self.folder.path())?;
        self.parts.spawn(publisher.run(self.parts.stopping()));
        Ok(())
    }

    /// Starts the schedules that call `reconcile`, and the expiry of items.
    fn start_schedules(&mut self, database: Database) {
        self.parts.spawn(schedules::query(Arc::clone(&self.functions), self.parts.stopping()));
        self.parts.spawn(schedules::sweep(Arc::clone(&self.functions), self.parts.stopping()));
        self.parts.spawn(schedules::expire(database, self.parts.stopping()));
    }

    /// Starts a forward for each URL.
    async fn start_forwards(&mut self, forwards: Option<&Forwards>) -> Result<()> {
        self.bus.set_targets(forwards.map_or(&[], |forwards| &forwards.targets)).await?;
        let Some(Forwards { targets, secret }) = forwards else { return Ok(()) };
        for target in targets {
            let stopping = self.parts.stopping();
            self.parts.spawn(forwards::run(self.bus.clone(), target.clone(), secret.clone(), stopping));
        }
        Ok(())
    }

    /// The stack's ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, STORAGE)
    }

    /// The callback URL of a route, with the first path token.
    ///
    /// # Errors
    /// When the service has no path token.
    pub fn callback_url(&self, route: Route) -> Result<String> {
        let token = self.secrets.url_token(route.provider())?;
        Ok(format!("{}{}", self.endpoints.http, route.path().replace("{token}", &token)))
    }

    /// Ends the stack: first the work in flight, then the services that it needs. Work that takes longer than the grace
    /// period, such as an unfinished request or a large download, is left to the next start.
    pub async fn stop(mut self) {
        self.folder.withdraw();
        self.parts.end(GRACE).await;
        self.services.end(GRACE_FOR_SERVICES).await;
    }
}

/// Serves the simulated services on loopback until `stop` turns true. Returns them and their URL.
///
/// # Errors
/// When there is no free port.
pub async fn simulate(
    secrets: &Secrets,
    parts: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) -> Result<(Simulator, String)> {
    let simulator = Simulator::new(secrets.api_credentials()?);
    let (listener, url) = bind(0).await?;
    let (simulated, shutdown) = (simulator.clone(), stopped(stop.clone()));
    parts.spawn(async move {
        if let Err(problem) = simulator::serve(listener, simulated, shutdown).await {
            tracing::error!(event = "simulator_ended", %problem);
        }
    });
    Ok((simulator, url))
}

/// The endpoints of a stack.
fn endpoints(
    options: &Options,
    settings: &Settings,
    environment: &HashMap<String, String>,
    storage: &Storage,
    http: String,
    simulator: String,
) -> Endpoints {
    Endpoints {
        pid: std::process::id(),
        http,
        dynamodb: storage.dynamodb.clone(),
        s3: storage.s3.clone(),
        eventbridge: storage.eventbridge.clone(),
        simulator,
        apis: Provider::ALL.map(|provider| (provider, settings.service(provider).api_url.to_string())).into(),
        table: TABLE.to_owned(),
        bucket: BUCKET.to_owned(),
        temporary_bucket: TEMPORARY_BUCKET.to_owned(),
        secrets: options.secrets.folder().to_owned(),
        environment: environment::open_settings(environment),
        region: REGION.to_owned(),
        access_key_id: storage.key.id.clone(),
        secret_access_key: storage.key.secret.clone(),
    }
}

/// Recovers from a process that was killed: only this process uses the folder, so every lease on an archive job is dead, and
/// the old queue is gone.
async fn recover(ledger: &Ledger) -> Result<()> {
    for job in ledger.jobs(countersign::ledger::ArchiveState::Due, None, usize::MAX).await? {
        ledger.reclaim(&job).await?;
    }
    Ok(())
}

async fn bind(port: u16) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port} on 127.0.0.1"))?;
    let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    Ok((listener, url))
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the stack was dropped, which ends it too.
    drop(stopping.wait_for(|stop| *stop).await);
}
