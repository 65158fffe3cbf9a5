//! The local stack: everything that AWS and the three services do for Countersign, in one process on loopback.
//!
//! The functions' own code runs behind a gateway that builds real API Gateway events, and talks to an embedded DynamoDB
//! and S3 through the real AWS SDK. A pipe reads the table's stream and fills a queue, from which `final-document` is
//! called; a schedule calls `reconcile`. A simulator answers the services' APIs unless their real URLs are set.

pub mod dynamodb;
mod folder;
mod functions;
pub mod gateway;
mod pipe;
mod queue;
pub mod s3;
mod secrets;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use countersign::{aws::Aws, delivery::Route, ledger::Ledger, provider::Provider, settings::Settings};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use folder::{Endpoints, Folder, InUse};
pub use functions::Functions;
pub use secrets::Secrets;

use crate::{
    console,
    simulator::{self, Simulator},
};

/// The table's name in the local stack.
pub const TABLE: &str = "countersign";
/// The bucket's name in the local stack.
pub const BUCKET: &str = "countersign-archive";
/// The region that the local stack's clients name; the embedded services don't look at it.
pub const REGION: &str = "eu-west-1";
/// The access key that the embedded S3 wants to see.
pub const ACCESS_KEY: &str = "countersign";
/// Its secret: it protects nothing, since everything listens on loopback only.
pub const SECRET_KEY: &str = "countersign-local";

/// Deployed, the sweep runs every 15 minutes. A person at a laptop doesn't want to wait that long.
const SWEEP_EVERY: Duration = Duration::from_secs(20);

/// Deployed and here, the services are asked every hour.
const ASK_EVERY: Duration = Duration::from_secs(60 * 60);
/// The console is told of every write; what only time changes is looked at so often.
const REFRESH_EVERY: Duration = Duration::from_secs(10);

/// So long may what is under way go on when the stack ends. Supervisors wait ten seconds before they kill.
const GRACE: Duration = Duration::from_secs(6);

/// The same for DynamoDB, S3 and the simulator, of which nobody wants anything by then.
const GRACE_FOR_SERVICES: Duration = Duration::from_secs(2);

/// How the local stack is to run.
pub struct Options {
    /// The gateway's port; 0 for a free one.
    pub port: u16,
    /// The environment that settings are read from where the stack doesn't set them itself.
    pub environment: HashMap<String, String>,
    /// What proves callbacks, and what the services' APIs want to see.
    pub secrets: Secrets,
    /// Whether the schedule runs; tests call the sweep themselves.
    pub scheduled: bool,
    /// Whether the pipe hands archive orders to the queue. Without it they stay due, for functions that run elsewhere.
    pub piped: bool,
}

impl Options {
    /// On a free port, with throw-away secrets, without a schedule, and nothing from outside.
    ///
    /// # Errors
    /// When secrets can't be made.
    pub fn for_tests() -> Result<Self> {
        Ok(Self {
            port: 0,
            environment: HashMap::new(),
            secrets: Secrets::throw_away()?,
            scheduled: false,
            piped: true,
        })
    }
}

/// A running local stack. It ends when it is told to; dropping it ends it without waiting.
pub struct Stack {
    /// Where its parts are.
    pub endpoints: Endpoints,
    /// Clients of its DynamoDB and S3.
    pub aws: Aws,
    /// The functions, as they are wired.
    pub functions: Arc<Functions>,
    /// The simulated services.
    pub simulator: Simulator,
    /// The settings of its functions.
    pub settings: Settings,
    /// The secrets in use.
    pub secrets: Secrets,
    folder: Folder,
    stop: watch::Sender<bool>,
    parts: JoinSet<()>,
    stop_services: watch::Sender<bool>,
    services: JoinSet<()>,
}

/// The embedded DynamoDB and S3 alone: what commands need when no stack runs on the folder.
pub struct Storage {
    /// Where the table is served.
    pub dynamodb: String,
    /// Where the bucket is served.
    pub s3: String,
    /// Clients of both.
    pub aws: Aws,
    database: dynoxide::Database,
}

impl Storage {
    /// Opens what is stored in `folder`, and serves it on loopback until `stop` turns true.
    ///
    /// # Errors
    /// When the files can't be opened or a port can't be had.
    pub async fn open(folder: &Path, parts: &mut JoinSet<()>, stop: &watch::Receiver<bool>) -> Result<Self> {
        let database = dynamodb::open(&folder.join("dynamodb.sqlite"))?;
        let (listener, dynamodb) = bind(0).await?;
        let (served, shutdown) = (database.clone(), stopped(stop.clone()));
        parts.spawn(async move {
            if let Err(problem) = dynoxide::server::serve_with_shutdown(listener, served, shutdown).await {
                tracing::error!(event = "dynamodb_ended", problem);
            }
        });
        let store = s3::Store::open(folder.join("s3"), &[BUCKET]).await.context("the embedded S3's folder")?;
        let (listener, s3) = bind(0).await?;
        let credentials = s3::Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.into() };
        parts.spawn(s3::serve(listener, store, credentials, stopped(stop.clone())));
        let aws = clients(&dynamodb, &s3).await;
        dynamodb::create_table(&aws.dynamodb, TABLE).await?;
        Ok(Self { dynamodb, s3, aws, database })
    }
}

/// Clients of an embedded DynamoDB and S3 at these URLs.
pub async fn clients(dynamodb: &str, s3: &str) -> Aws {
    let credentials = aws_sdk_s3::config::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local");
    let config = aws_config::defaults(countersign::aws::behavior_version())
        .region(aws_config::Region::new(REGION))
        .credentials_provider(credentials)
        .timeout_config(countersign::aws::timeouts())
        .load()
        .await;
    let dynamodb = config.to_builder().endpoint_url(dynamodb).build();
    let s3 = config.to_builder().endpoint_url(s3).build();
    let aws = Aws::new(&dynamodb, true);
    Aws { s3: Aws::new(&s3, true).s3, ..aws }
}

impl Stack {
    /// Starts a stack on `folder`.
    ///
    /// # Errors
    /// When a file or port can't be had, or the settings are wrong.
    pub async fn start(folder: Folder, options: Options) -> Result<Self> {
        let (stop_services, services_stopping) = watch::channel(false);
        let mut services = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut services, &services_stopping).await?;

        let (simulator, simulator_url) = simulate(&options.secrets, &mut services, &services_stopping).await?;

        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let (gateway, http) = bind(options.port).await?;
        let environment = environment(&options, &simulator_url, &http);
        let settings = Settings::read(|name| environment.get(name).cloned())?;
        let functions = Arc::new(Functions::start(&settings, &storage.aws).await);
        let (changed, changes) = watch::channel(0);
        let console = console::router(console::Options {
            aws: storage.aws.clone(),
            table: TABLE.to_owned(),
            bucket: BUCKET.to_owned(),
            label: "local stack".to_owned(),
            place: folder.path().display().to_string(),
            allow_retry: true,
            settings: Some(settings.clone()),
            gateway: Some(console::Gateway { url: http.clone(), secrets: options.secrets.clone() }),
            port: gateway.local_addr()?.port(),
            key: None,
            poll: REFRESH_EVERY,
            changes: Some(changes),
            stopping: stopping.clone(),
        })?;
        parts.spawn(gateway::serve(gateway, Arc::clone(&functions), console, stopped(stopping.clone())));

        let (queue, worker) = queue::queue(Arc::clone(&functions), stopping.clone());
        parts.spawn(worker);
        if options.piped {
            let pipe = pipe::Pipe::open(storage.database.clone(), TABLE)?;
            parts.spawn(pipe.run(queue, changed, stopping.clone()));
        }
        let ledger = Ledger::new(&storage.aws, TABLE, BUCKET);
        recover(&ledger).await?;
        if options.scheduled {
            parts.spawn(ask(Arc::clone(&functions), stopping.clone()));
            parts.spawn(schedule(Arc::clone(&functions), storage.database, stopping));
        }

        let endpoints = Endpoints {
            pid: std::process::id(),
            http,
            dynamodb: storage.dynamodb,
            s3: storage.s3,
            simulator: simulator_url,
            apis: Provider::ALL.map(|provider| (provider, settings.provider(provider).api_url.to_string())).into(),
            table: TABLE.to_owned(),
            bucket: BUCKET.to_owned(),
            secrets: options.secrets.folder().to_owned(),
            environment: open_settings(&environment),
            region: REGION.to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned(),
        };
        folder.announce(&endpoints)?;
        let (aws, secrets) = (storage.aws, options.secrets);
        Ok(Self {
            endpoints,
            aws,
            functions,
            simulator,
            settings,
            secrets,
            folder,
            stop,
            parts,
            stop_services,
            services,
        })
    }

    /// The stack's ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }

    /// The URL that a service would be given for its callbacks, with the first path token.
    ///
    /// # Errors
    /// When no path token is known.
    pub fn callback_url(&self, route: Route) -> Result<String> {
        let token = self.secrets.url_token(route.provider())?;
        Ok(format!("{}{}", self.endpoints.http, route.path().replace("{token}", &token)))
    }

    /// Ends the stack: what is under way is finished first, and only then what it needs is ended. What takes too long,
    /// because somebody doesn't finish a request or a large document is on its way, is left to the next start.
    pub async fn stop(mut self) {
        self.folder.withdraw();
        self.stop.send_replace(true);
        end(&mut self.parts, GRACE).await;
        self.stop_services.send_replace(true);
        end(&mut self.services, GRACE_FOR_SERVICES).await;
    }
}

/// Waits until all of `parts` have ended, and after `grace` ends them.
async fn end(parts: &mut JoinSet<()>, grace: Duration) {
    let ended = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(event = "cut_off", parts = parts.len());
        parts.shutdown().await;
    }
}

/// Serves the simulated services on loopback until `stop` turns true. Gives them and their URL.
///
/// # Errors
/// When a port can't be had.
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

/// The process's environment, but for what isn't text.
#[must_use]
pub fn process_environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Settings that are no secrets. Nothing else of an environment may be written into a file.
const OPEN_SETTINGS: [&str; 8] = [
    "LEGALESIGN_API_URL",
    "QUICKLYSIGN_API_URL",
    "SIGNEASY_API_URL",
    "DOWNLOAD_HOSTS",
    "LEGALESIGN_REALTIME_PROOF",
    "SIGNEASY_TOKEN",
    "SIGNEASY_API_PATH",
    "MAX_BODY_BYTES",
];

fn open_settings(environment: &HashMap<String, String>) -> BTreeMap<String, String> {
    let set = OPEN_SETTINGS.into_iter().filter_map(|name| Some((name.to_owned(), environment.get(name)?.clone())));
    set.collect()
}

/// The functions' environment: what the stack sets itself, over what it was given.
#[must_use]
pub fn environment(options: &Options, simulator: &str, http: &str) -> HashMap<String, String> {
    let mut environment = options.environment.clone();
    let mut default = |name: &str, value: String| {
        environment.entry(name.to_owned()).or_insert(value);
    };
    default("LEGALESIGN_API_URL", format!("{simulator}/legalesign/api/v1"));
    default("QUICKLYSIGN_API_URL", format!("{simulator}/quicklysign"));
    default("SIGNEASY_API_URL", format!("{simulator}/signeasy"));
    default("QUICKLYSIGN_CALLBACK_URL", format!("{http}{}", Route::Quicklysign.path()));
    default("SIGNEASY_TOKEN", "if_present".to_owned());
    let mut set = |name: &str, value: String| {
        environment.insert(name.to_owned(), value);
    };
    set("TABLE_NAME", TABLE.to_owned());
    set("ARCHIVE_BUCKET", BUCKET.to_owned());
    set("ALLOW_INSECURE_DOWNLOADS", "true".to_owned());
    for provider in Provider::ALL {
        let prefix = provider.as_str().to_ascii_uppercase();
        let (proof, api) = options.secrets.of(provider);
        set(&format!("{prefix}_PROOF"), proof.to_string());
        set(&format!("{prefix}_API"), api.to_string());
    }
    environment
}

/// Picks up after a process that was killed: nobody else works on this folder, so no claim on an order is alive, and
/// what the old process's queue held is gone.
async fn recover(ledger: &Ledger) -> Result<()> {
    for order in ledger.orders(countersign::ledger::ArchiveState::Due, None, usize::MAX - 1).await? {
        ledger.reclaim(&order).await?;
    }
    Ok(())
}

async fn ask(functions: Arc<Functions>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ASK_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(problem) = functions.reconcile.handle(reconcile::Task::Ask).await {
            tracing::error!(event = "ask_failed", %problem);
        }
    }
}

async fn schedule(functions: Arc<Functions>, database: dynoxide::Database, mut stopping: watch::Receiver<bool>) {
    loop {
        if let Err(problem) = functions.reconcile.handle(reconcile::Task::Sweep).await {
            tracing::error!(event = "sweep_failed", %problem);
        }
        // DynamoDB expires items by itself; the embedded one wants to be told.
        if let Err(problem) = database.sweep_ttl() {
            tracing::error!(event = "ttl_failed", %problem);
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn bind(port: u16) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port} on 127.0.0.1"))?;
    let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    Ok((listener, url))
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the stack was dropped, which is an end too.
    drop(stopping.wait_for(|stop| *stop).await);
}
