//! Logs and answers carry no secret, token, e-mail address, person's name or signature; table and bucket no secret or
//! token. Everything that a run over all events writes is searched: the events in `events/`, each also with a wrong path
//! token, and what operators do afterwards. The functions write nothing to standard output but their log.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::types::AttributeValue;
use countersign::{
    forget::forget,
    provider::Provider,
    replay::{Replay, Selection},
    subject::SubjectId,
    telemetry::JsonLines,
    time,
};
use countersign_cli::simulator::{Service, facts::Facts};
use end_to_end::World;
use reconcile::Task;
use serde_json::Value;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

const PATH_TOKEN: &str = "local-path-token";
const WRONG_TOKEN: &str = "a-wrong-path-token-of-somebody";

/// What was logged.
type Log = Arc<Mutex<String>>;

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The requests among the events, with the names of their files.
fn requests() -> Vec<(String, Value)> {
    let folders = fs::read_dir(events()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let requests = files.map(|file| (file.display().to_string(), json(&file)));
    let mut requests: Vec<_> = requests.filter(|(_, event)| event["rawPath"].is_string()).collect();
    requests.sort_by(|(one, _), (other, _)| one.cmp(other));
    requests
}

fn body(event: &Value) -> Vec<u8> {
    let text = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"] == true {
        use base64::Engine;
        return base64::prelude::BASE64_STANDARD.decode(text).unwrap();
    }
    text.as_bytes().to_vec()
}

/// What must not be found, with what it is.
#[derive(Default)]
struct Forbidden(BTreeSet<(String, &'static str)>);

impl Forbidden {
    fn add(&mut self, text: &str, what: &'static str) {
        if text.chars().count() >= 4 {
            self.0.insert((text.to_owned(), what));
        }
    }

    /// Every text in a secret that is long enough to be one.
    fn secret(&mut self, secret: &Value) {
        match secret {
            Value::String(text) if text.len() >= 12 && !text.starts_with("-----") => self.add(text, "a secret"),
            Value::Array(values) => values.iter().for_each(|value| self.secret(value)),
            Value::Object(fields) => {
                fields.iter().filter(|(name, _)| *name != "groups").for_each(|(_, value)| self.secret(value));
            }
            _ => {}
        }
    }

    /// What a payload says of people, and its token.
    fn payload(&mut self, payload: &Value) {
        let Value::Object(fields) = payload else {
            if let Value::Array(values) = payload {
                values.iter().for_each(|value| self.payload(value));
            }
            return;
        };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("token", Value::String(token)) => self.add(token, "a token"),
                (
                    "email" | "event_user" | "firstname" | "lastname" | "first_name" | "last_name",
                    Value::String(who),
                ) => {
                    self.add(who, "a person");
                }
                _ => self.payload(value),
            }
        }
    }

    fn find_in(&self, place: &str, text: &str, only_secrets: bool) {
        for (forbidden, what) in &self.0 {
            let counts = !only_secrets || matches!(*what, "a secret" | "a token");
            assert!(
                !counts || !text.contains(forbidden),
                "{what}, {forbidden:?}, in {place}: {}",
                around(text, forbidden)
            );
        }
        assert!(only_secrets || !text.contains('@'), "an address in {place}: {}", around(text, "@"));
    }
}

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    let at = text.find(part).unwrap_or(0);
    let (start, end) = (at.saturating_sub(200), (at + part.len() + 100).min(text.len()));
    text.get(start..end).unwrap_or(text)
}

fn texts(value: &AttributeValue, into: &mut String) {
    match value {
        AttributeValue::S(text) => into.push_str(text),
        AttributeValue::Ss(set) => set.iter().for_each(|text| into.push_str(text)),
        AttributeValue::B(bytes) => into.push_str(&String::from_utf8_lossy(bytes.as_ref())),
        AttributeValue::L(list) => list.iter().for_each(|value| texts(value, into)),
        AttributeValue::M(map) => map.values().for_each(|value| texts(value, into)),
        _ => {}
    }
    into.push('\n');
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_written_says_a_secret_and_no_log_or_answer_names_a_person() {
    let log = Log::default();
    // As deployed, but finer: the code's own debug lines must not say more either.
    let ours = "countersign=debug,final_document=debug,reconcile=debug";
    let filter = EnvFilter::new(format!("info,{ours},{}", countersign_cli::stack::s3::LOG_DIRECTIVE));
    let written = Arc::clone(&log);
    let lines = JsonLines::new("stack".to_owned(), None, move |line: &str| written.lock().unwrap().push_str(line));
    tracing_subscriber::registry().with(lines).with(filter).init();

    let world = World::with(|options| {
        // The proofs that the events were made for.
        let set = events().join("env.json");
        let set = if set.exists() { json(&set) } else { Value::Null };
        for provider in Provider::ALL {
            let variable = format!("{}_PROOF", provider.as_str().to_ascii_uppercase());
            let given = set.as_object().into_iter().flatten().find_map(|(_, function)| function[&variable].as_str());
            let mut proof = match given {
                Some(proof) => serde_json::from_str(proof).unwrap(),
                None => options.secrets.of(provider).0.clone(),
            };
            proof["url_tokens"] = serde_json::json!([PATH_TOKEN]);
            options.secrets.set_proof(provider, proof);
        }
    })
    .await;

    let mut forbidden = Forbidden::default();
    forbidden.add(WRONG_TOKEN, "a token");
    for provider in Provider::ALL {
        let (proof, api) = world.stack.secrets.of(provider);
        forbidden.secret(proof);
        forbidden.secret(api);
    }

    let mut answers = String::new();
    let mut accepted = 0;
    let requests = requests();
    assert!(requests.len() >= 8, "the events are found");
    for (file, event) in &requests {
        let body = body(event);
        for form in url::form_urlencoded::parse(&body) {
            if form.0 == "signed" {
                forbidden.add(&form.1, "a signature");
            }
            forbidden.payload(&serde_json::from_str(&form.1).unwrap_or_default());
        }
        forbidden.payload(&serde_json::from_slice(&body).unwrap_or_default());
        let headers: Vec<(&str, &str)> = event["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.as_str() == "content-type" || name.contains("sign") || name.contains("hmac"))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        for (name, value) in headers.iter().filter(|(name, _)| *name != "content-type") {
            forbidden.add(value, if name.contains("sign") { "a signature" } else { "a hash" });
        }
        let query = event["rawQueryString"].as_str().filter(|query| !query.is_empty());
        let path = event["rawPath"].as_str().unwrap();
        let (route, _) = path.rsplit_once('/').unwrap();
        for token in [PATH_TOKEN, WRONG_TOKEN] {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let url = format!("{}{route}/{token}{query}", world.stack.endpoints.http);
            let answer = world.post_to(&url, &headers, body.clone()).await;
            assert!(token == PATH_TOKEN || matches!(answer.status, 401 | 404), "{file}: {answer:?}");
            accepted += usize::from(answer.status == 200);
            answers.push_str(&format!("{answer:?}\n"));
        }
    }
    assert!(accepted >= 8, "{answers}");

    // What operators and schedules do.
    world.stack.functions.reconcile.handle(Task::Sweep).await.unwrap();
    world.stack.functions.reconcile.handle(Task::Ask).await.unwrap();
    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    for delivery in replay.stored(Selection::default()).await.unwrap() {
        replay.delivery(&delivery).await.unwrap();
    }
    for delivery in replay.quarantined(Selection::default()).await.unwrap() {
        replay.refused(&delivery).await.unwrap();
    }
    let documents = world.ledger().documents(None, None, None, 1000).await.unwrap().documents;
    assert!(!documents.is_empty());
    for document in &documents {
        let service = match document.provider {
            Provider::Legalesign => Service::Legalesign,
            Provider::Quicklysign => Service::Quicklysign,
            Provider::Signeasy => Service::Signeasy,
        };
        for party in Facts::new(service, &document.id).parties() {
            forbidden.add(&party.name(), "a person");
            forbidden.add(&party.email, "a person");
        }
    }

    let mut stored = String::new();
    for item in world.items().await {
        item.into_attributes().values().for_each(|value| texts(value, &mut stored));
    }
    for key in world.keys().await {
        stored.push_str(&format!("{key}\n{}\n", String::from_utf8_lossy(&world.object(&key).await)));
    }
    forbidden.find_in("table and bucket", &stored, true);
    forbidden.find_in("an answer", &answers, false);

    let first = &documents[0];
    // A worker may just be at it; only what is logged matters here.
    let id = SubjectId::parse(first.id.as_str()).unwrap();
    drop(forget(&world.ledger(), first.provider, &id, time::now()).await);
    let log = log.lock().unwrap().clone();
    assert!(log.contains("\"message\":\"recorded\"") && log.contains("\"message\":\"refused\""), "{log}");
    forbidden.find_in("the log", &log, false);
}
