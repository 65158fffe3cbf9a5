//! The console: a web page over a table and a bucket, for a person at a browser on this machine.
//!
//! `countersign serve` has it at `/`, beside its gateway; `countersign console` has it alone, over a deployed stack.
//! Pages are rendered here, whole, with every value escaped by the template. What changes while a page is open comes
//! as the same page rendered again, over server-sent events ([`live`]); a small script puts in only what differs, so
//! that focus, scroll and open details stay. Without the script everything works but that.
//!
//! It shows documents and can ask for work, so [`guard`] lets in only this machine's browser: it listens on loopback,
//! answers to its own names only (another site may point its name here), and its buttons want a secret that only its
//! own pages have.

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
use countersign::{aws::Aws, ledger::Ledger, settings::Settings};
use tokio::sync::{Semaphore, watch};

use crate::stack::Secrets;

pub use guard::AccessKey;
use guard::Guard;
use summaries::Summaries;

/// Open pages that are kept up to date at the same time. A browser opens six connections to a host at most.
const MAX_LIVE: usize = 32;

/// What a console shows, and what it may do.
pub struct Options {
    /// Clients of the table and the bucket.
    pub aws: Aws,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// What it is that is shown, for the page's head.
    pub label: String,
    /// Where that is, for who points at it: a folder, a table and a bucket.
    pub place: String,
    /// Whether archive orders may be made due again, and refused requests replayed.
    pub allow_retry: bool,
    /// With what refused requests are proven again, where they may be.
    pub settings: Option<Settings>,
    /// Where callbacks can be sent to, where any can.
    pub gateway: Option<Gateway>,
    /// The port that it listens on, which is part of its own names.
    pub port: u16,
    /// What a browser has to show; `None` where everybody on this machine may look.
    pub key: Option<AccessKey>,
    /// How often to look for news where nobody tells of them.
    pub poll: Duration,
    /// Changes whenever the table does, where somebody knows.
    pub changes: Option<watch::Receiver<u64>>,
    /// Turns true when the console is to end.
    pub stopping: watch::Receiver<bool>,
}

/// A local stack's gateway.
pub struct Gateway {
    /// Its base URL.
    pub url: String,
    /// With what its callbacks are proven.
    pub secrets: Secrets,
}

/// A console. Cheap to clone.
#[derive(Clone)]
struct Console(Arc<Inner>);

struct Inner {
    options: Options,
    ledger: Ledger,
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
/// When the operating system gives no random numbers.
pub fn router(options: Options) -> Result<Router> {
    let ledger = Ledger::new(&options.aws, &options.table, &options.bucket);
    let guard = Guard::new(options.port, options.key.clone())?;
    let console = Console(Arc::new(Inner {
        options,
        ledger,
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
