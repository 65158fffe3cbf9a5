//! The console: a web interface to a table and a bucket, for an operator with a browser on this machine.
//!
//! `countersign serve` serves it at `/`, next to its gateway; `countersign console` serves it alone, for a deployed
//! stack. Pages are rendered on the server, and the template escapes every value. While a page is open, it is rendered
//! again on changes and sent over server-sent events (`live`). A small script patches only the differences into the
//! page, so that focus, scroll position and open details stay. Without the script everything works except these
//! updates.
//!
//! The console shows documents and can change the state of the stack, so `guard` admits only a browser on this
//! machine: the console listens on loopback, accepts only its own host names (another site may point its name here),
//! and its forms need a secret that only its own pages contain.

mod actions;
mod assets;
mod guard;
mod live;
mod pages;
mod pdf;
mod summaries;
mod triggers;
mod view;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign::{
    aws::{Aws, StorageNames},
    ledger::Ledger,
    providers::Services,
    settings::Settings,
};
use tokio::sync::{Semaphore, watch};

use crate::{bus, secrets::Secrets};

pub use guard::AccessKey;
use guard::Guard;
use summaries::Summaries;

/// Maximum number of pages with live updates. A browser opens at most six connections to a host.
const MAX_LIVE: usize = 32;

/// Options of a console: its data and its permissions.
pub struct Options {
    /// Clients of the table and the buckets.
    pub aws: Aws,
    /// The table.
    pub table: String,
    /// The archive.
    pub bucket: String,
    /// The temporary bucket.
    pub temporary_bucket: String,
    /// The stack's name in the page header.
    pub label: String,
    /// The tooltip of the label: a folder, or a table and a bucket.
    pub place: String,
    /// Whether archive jobs may be retried and rejected requests replayed.
    pub allow_retry: bool,
    /// The settings with which rejected requests are verified again. `None`: they can't be replayed.
    pub settings: Option<Settings>,
    /// The gateway to which callbacks can be sent. `None` for deployed stacks.
    pub gateway: Option<Gateway>,
    /// The events on the bus. `None` for deployed stacks, whose bus keeps no list.
    pub bus: Option<bus::Log>,
    /// The port on which the console listens. It is part of the console's host names.
    pub port: u16,
    /// The key that a browser must present. `None`: all users of this machine have access.
    pub key: Option<AccessKey>,
    /// Interval at which open pages are rendered again without a notification from `changes`.
    pub poll: Duration,
    /// Notifies of each change of the table, if there is a source of such notifications.
    pub changes: Option<watch::Receiver<u64>>,
    /// Becomes true when the console shuts down.
    pub stopping: watch::Receiver<bool>,
}

impl Options {
    fn names(&self) -> StorageNames<'_> {
        StorageNames { table: &self.table, archive: &self.bucket, temporary: &self.temporary_bucket }
    }
}

/// A local stack's gateway.
pub struct Gateway {
    /// Its base URL.
    pub url: String,
    /// The secrets with which its callbacks are proven.
    pub secrets: Secrets,
}

/// A console. Cheap to clone.
#[derive(Clone)]
struct Console(Arc<Inner>);

struct Inner {
    options: Options,
    ledger: Ledger,
    /// To read stored deliveries with.
    services: Services,
    guard: Guard,
    live: Arc<Semaphore>,
    summaries: Summaries,
}

impl std::ops::Deref for Console {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<Console> for Guard {
    fn from_ref(console: &Console) -> Self {
        console.guard.clone()
    }
}

/// The console's routes.
///
/// # Errors
/// When the operating system provides no random numbers.
pub fn router(options: Options) -> Result<Router> {
    let ledger = Ledger::new(&options.aws, options.names());
    let guard = Guard::new(options.port, options.key.clone())?;
    let services = Services::without_settings(&options.aws);
    let console = Console(Arc::new(Inner {
        options,
        ledger,
        services,
        guard,
        live: Arc::new(Semaphore::new(MAX_LIVE)),
        summaries: Summaries::default(),
    }));
    let router = Router::new()
        .route("/", get(page))
        .route("/deliveries/{id}", get(page))
        .route("/documents", get(page))
        .route("/documents/{provider}/{kind}/{id}", get(page))
        .route("/archive", get(page))
        .route("/events", get(page))
        .route("/quarantine", get(page))
        .route("/quarantine/{id}", get(page))
        .route("/quarantine/replay", post(actions::replay))
        .route("/trigger", get(page).post(actions::trigger))
        .route("/archive/retry", post(actions::retry))
        .route("/pdfs/{provider}/{kind}/{id}/{sha256}", get(pdf::serve))
        .route("/live", get(live::serve))
        .route("/assets/{name}", get(assets::serve));
    let guarded = router.route_layer(middleware::from_fn_with_state(console.clone(), guard::check));
    Ok(guarded.with_state(console))
}

async fn page(State(console): State<Console>, uri: Uri) -> Response {
    match view::View::parse(&uri) {
        Ok(view) => match view.render(&console).await {
            Ok(page) => pages::whole(&console, &view, &page).into_response(),
            Err(problem) => pages::problem(&console, &problem),
        },
        Err(problem) => pages::problem(&console, &problem),
    }
}
