//! The parts without the stack: the embedded DynamoDB and S3 and the simulated services, while the functions are called
//! by the test itself. Nothing happens but what it does: no pipe, no queue, no schedule.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use bytes::Bytes;
use countersign::{
    aws::Aws,
    delivery::{Envelope, OwnProof, Proven, Route, Unproven},
    ledger::{ArchiveState, Ledger, Order, Timeline},
    settings::{Problems, Settings},
    signature::Signers,
    subject::Subject,
    sweep::{Sweep, Swept},
    time,
    token::Tokens,
};
use countersign_cli::{
    simulator::{self, Credentials, Simulator},
    stack::{BUCKET, Storage, TABLE, gateway},
};
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{Answer, stored};

/// The path token of QuicklySign's callbacks: the one in `events/`.
pub const TOKEN: &str = "local-path-token";

/// A URL where nobody listens. Port 1 is never handed out to anybody, so it stays that way.
pub const NOBODY: &str = "http://127.0.0.1:1";

/// A public key of the test data, and what its private half signed: nothing at all.
const SIGNER: &str = include_str!("../../shared/tests/data/legalesign/lookalike.pub.pem");
const SIGNATURE_OF_NOTHING: &str = include_str!("../../shared/tests/data/legalesign/signatures/empty.rsa4096.b64");

/// The parts.
pub struct Bench {
    /// Clients of DynamoDB and S3.
    pub aws: Aws,
    /// The simulated services.
    pub simulator: Simulator,
    /// Where they are.
    pub simulator_url: String,
    settings: Settings,
    /// One for all orders: reading the trusted certificates for a new one takes its time.
    worker: final_document::Function,
    _folder: TempDir,
    _parts: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

/// Serves the simulated services on loopback until `stop` turns true. Gives their URL.
pub async fn serve_simulator(simulator: Simulator, parts: &mut JoinSet<()>, mut stop: watch::Receiver<bool>) -> String {
    let (listener, url) = listen().await;
    parts.spawn(async move {
        let ended = async move { drop(stop.wait_for(|stop| *stop).await) };
        simulator::serve(listener, simulator, ended).await.expect("the simulator");
    });
    url
}

/// A free port on loopback, and its URL.
pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

impl Bench {
    /// Fresh parts.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut parts, &stopping).await.expect("the embedded services");
        let credentials: Credentials = serde_json::from_value(json!({"quicklysign": api()})).expect("credentials");
        let simulator = Simulator::new(credentials);
        let simulator_url = serve_simulator(simulator.clone(), &mut parts, stopping).await;
        let (aws, settings) = (storage.aws, read(&simulator_url, &[]).expect("settings"));
        let worker = final_document::Function::start(Ok(settings.clone()), &aws);
        Self { aws, simulator, simulator_url, settings, worker, _folder: folder, _parts: parts, _stop: stop }
    }

    /// The functions' settings, with these variables set differently; an empty value is as good as none.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settings_with(&self, changes: &[(&str, &str)]) -> Result<Settings, Problems> {
        read(&self.simulator_url, changes)
    }

    /// The functions' usual settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }

    /// `quicklysign-callback` with its usual settings.
    pub async fn quicklysign(&self) -> quicklysign_callback::Function {
        quicklysign_callback::Function::start(Ok(self.settings()), &self.aws).await
    }

    /// Has `final-document` do the order of a subject, if it is due.
    pub async fn work(&self, subject: &Subject) {
        self.work_with(&self.worker, subject).await;
    }

    /// `final-document` with its usual settings.
    #[must_use]
    pub fn final_document(&self) -> final_document::Function {
        final_document::Function::start(Ok(self.settings()), &self.aws)
    }

    /// Has this `final-document` do the order of a subject, if it is due.
    pub async fn work_with(&self, function: &final_document::Function, subject: &Subject) {
        let answer = function.handle(message(subject)).await;
        assert_eq!(failed(&answer), [""; 0], "the order could not be settled");
    }

    /// Runs the sweep as if it were `now`.
    pub async fn sweep(&self, now: Timestamp) -> Swept {
        Sweep::new(self.ledger(), self.settings().download_hosts).run(now).await.expect("a sweep")
    }

    /// The timeline of a subject; it must be known.
    pub async fn timeline(&self, subject: &Subject) -> Timeline {
        self.ledger().timeline(subject).await.expect("the ledger").expect("a known subject")
    }

    /// The archive order of a subject, which must be in this state.
    pub async fn order(&self, subject: &Subject, state: ArchiveState) -> Order {
        let orders = self.ledger().orders(state, None, 1000).await.expect("the ledger");
        let order = orders.into_iter().find(|order| order.subject == *subject);
        order.unwrap_or_else(|| panic!("no order of {} is {}", subject.id, state.as_str()))
    }

    /// All items of the table.
    pub async fn items(&self) -> Vec<countersign::ledger::Item> {
        stored::items(&self.aws, TABLE).await
    }

    /// All items but the traces of what was refused.
    pub async fn believed(&self) -> Vec<countersign::ledger::Item> {
        stored::believed(&self.aws, TABLE).await
    }

    /// The keys of all objects in the bucket.
    pub async fn keys(&self) -> Vec<String> {
        stored::keys(&self.aws, BUCKET).await
    }

    /// The bytes of an object in the bucket.
    pub async fn object(&self, key: &str) -> Bytes {
        stored::object(&self.aws, BUCKET, key).await
    }

    /// Clients of this DynamoDB, and of an S3 that can't be reached.
    pub async fn without_s3(&self) -> Aws {
        Aws { s3: unreachable().await.s3, ..self.aws.clone() }
    }
}

fn read(simulator_url: &str, changes: &[(&str, &str)]) -> Result<Settings, Problems> {
    let proof = json!({"url_tokens": [TOKEN]}).to_string();
    let (api, url) = (api().to_string(), format!("{simulator_url}/quicklysign"));
    let usual = [
        ("TABLE_NAME", TABLE),
        ("ARCHIVE_BUCKET", BUCKET),
        ("ALLOW_INSECURE_DOWNLOADS", "true"),
        ("QUICKLYSIGN_PROOF", &proof),
        ("QUICKLYSIGN_API", &api),
        ("QUICKLYSIGN_API_URL", &url),
    ];
    Settings::read(|name| {
        let changed = changes.iter().chain(&usual).find(|(variable, _)| *variable == name);
        changed.map(|(_, value)| (*value).to_owned())
    })
}

fn api() -> serde_json::Value {
    json!({"client_id": "id", "client_secret": "client-secret", "api_key": "key"})
}

/// Clients of services that can't be reached.
pub async fn unreachable() -> Aws {
    at(NOBODY).await
}

/// Clients whose every service is at this URL.
pub async fn at(url: &str) -> Aws {
    use countersign_cli::stack::{ACCESS_KEY, REGION, SECRET_KEY};
    let credentials = aws_sdk_s3::config::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let config = aws_config::defaults(countersign::aws::behavior_version())
        .region(aws_config::Region::new(REGION))
        .credentials_provider(credentials)
        .timeout_config(countersign::aws::timeouts())
        .endpoint_url(url)
        .load()
        .await;
    Aws::new(&config, true)
}

/// A request as API Gateway hands it over, through the event it builds of it.
#[must_use]
pub fn gateway_request(route: Route, token: &str, headers: &[(&str, &str)], body: &[u8]) -> lambda_http::Request {
    let mut request = Request::post(route.path().replace("{token}", token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    lambda_http::request::from_str(&gateway::event::of(route, token, &head, body).to_string()).expect("an event")
}

/// A QuicklySign callback with JSON's content type.
#[must_use]
pub fn quicklysign_request(token: &str, body: impl AsRef<[u8]>) -> lambda_http::Request {
    gateway_request(Route::Quicklysign, token, &[("content-type", "application/json")], body.as_ref())
}

/// The body of a QuicklySign callback.
#[must_use]
pub fn quicklysign_body(event: &str, pack: &str) -> String {
    json!({"webhook_key": "key", "entity_type": "Document", "entity_key": pack, "callback_event": event}).to_string()
}

/// A function's answer.
#[must_use]
pub fn answer(response: Response<String>) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    Answer {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: serde_json::from_str(response.body()).expect("JSON"),
    }
}

/// A delivery that came at this time and that the path token proves.
#[must_use]
pub fn delivery_at(received_at: Timestamp, route: Route, body: impl Into<Bytes>) -> Proven {
    prove(received_at, route, body.into(), OwnProof::PathTokenOnly)
}

/// A delivery that came just now and that the path token proves.
#[must_use]
pub fn delivery(route: Route, body: impl Into<Bytes>) -> Proven {
    delivery_at(time::now(), route, body)
}

/// A delivery that came just now and that a signature proves too.
#[must_use]
pub fn signed_delivery(route: Route, body: impl Into<Bytes>) -> Proven {
    let (signers, problems) = Signers::parse(&[SIGNER]);
    assert_eq!(problems, []);
    // What was signed is another provider's business: here only counts that something was.
    let proof = signers.verify_sha1(b"", SIGNATURE_OF_NOTHING.as_bytes(), time::now()).expect("a signature");
    prove(time::now(), route, body.into(), OwnProof::Signature(proof))
}

fn prove(received_at: Timestamp, route: Route, body: Bytes, own: OwnProof) -> Proven {
    let token = SecretString::from(TOKEN);
    let tokens = Tokens::new(std::slice::from_ref(&token)).expect("a token");
    let request = Unproven::new(route, token, Envelope::default(), body, received_at);
    request.address(&tokens).ok().expect("the right token").prove(own)
}

/// The message that the pipe puts on the queue for a subject.
#[must_use]
pub fn message(subject: &Subject) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id = Some("message".to_owned());
    record.body = Some(json!({"pk": subject.partition()}).to_string());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    event
}

/// The messages that the queue should keep.
#[must_use]
pub fn failed(answer: &SqsBatchResponse) -> Vec<&str> {
    answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

/// So much later than now.
#[must_use]
pub fn later(by: SignedDuration) -> Timestamp {
    time::now().checked_add(by).expect("a time")
}
