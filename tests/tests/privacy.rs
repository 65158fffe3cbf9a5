//! Logs and answers contain no secret, token, e-mail address, person's name or signature; table and bucket contain no
//! secret or token; published events contain none of all this. Everything is searched that is written during a run over all requests in `events/`, each also with a
//! wrong path token, and during operators' commands. Functions write nothing but their log to standard output.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use countersign::{
    domain::{Kind, Provider, SubjectId},
    forget::forget,
    form::Form,
    publish::DetailType,
    replay::{Replay, Selection},
    telemetry::JsonLines,
    time,
};
use countersign_cli::simulator::facts::Facts;
use end_to_end::{
    LocalStack, Stored,
    harness::{
        deliveries,
        published::{published, types_of},
    },
    subject,
};
use reconcile::Task;
use serde_json::Value;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

const PATH_TOKEN: &str = "local-path-token";
const WRONG_TOKEN: &str = "a-wrong-path-token-of-a-sender";

/// Everything that was logged.
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

/// Texts that must not occur, each with what it is.
#[derive(Default)]
struct Forbidden(BTreeSet<(String, &'static str)>);

impl Forbidden {
    fn add(&mut self, text: &str, what: &'static str) {
        if text.chars().count() >= 4 {
            self.0.insert((text.to_owned(), what));
        }
    }

    /// Adds the texts in a secret that are long enough to be confidential.
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

    /// Adds the personal data in a payload, and its token.
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
                    "email"
                    | "event_user"
                    | "firstname"
                    | "lastname"
                    | "first_name"
                    | "last_name"
                    | "signer_name"
                    | "signer_email_address"
                    | "requester_email_address",
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
async fn secrets_are_never_written_and_logs_and_answers_contain_no_personal_data() {
    let log = Log::default();
    // As deployed, but with the code's own debug lines, which must not contain more either.
    let ours = "countersign=debug,final_document=debug,publish=debug,reconcile=debug";
    let filter = EnvFilter::new(format!("info,{ours},{}", countersign_cli::stack::s3::LOG_DIRECTIVE));
    let written = Arc::clone(&log);
    let lines = JsonLines::new("stack".to_owned(), None, move |line: &str| written.lock().unwrap().push_str(line));
    tracing_subscriber::registry().with(lines).with(filter).init();

    let stack = LocalStack::start_with(|options| {
        // The proofs that the events are made for.
        let set = events().join("env.json");
        let set = if set.exists() { json(&set) } else { Value::Null };
        for provider in Provider::ALL {
            let variable = provider.variable("PROOF");
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
        let (proof, api) = stack.secrets.of(provider);
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
        let content_type = event["headers"]["content-type"].as_str();
        if let Ok(form) = Form::read(content_type, &body.clone().into())
            && let Ok(field) = form.one("json")
        {
            forbidden.payload(&serde_json::from_slice(field).unwrap_or_default());
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
            let url = format!("{}{route}/{token}{query}", stack.endpoints.http);
            let answer = stack.post_to(&url, &headers, body.clone()).await;
            assert!(token == PATH_TOKEN || matches!(answer.status, 401 | 404), "{file}: {answer:?}");
            accepted += usize::from(answer.status == 200);
            answers.push_str(&format!("{answer:?}\n"));
        }
    }
    assert!(accepted >= 8, "{answers}");

    // Operators' commands and schedules.
    stack.functions.reconcile.handle(Task::Sweep, reconcile::TIME_LIMIT).await.unwrap();
    stack.functions.reconcile.handle(Task::Query, reconcile::TIME_LIMIT).await.unwrap();
    let replay = Replay::new(&stack.settings, &stack.aws);
    for delivery in replay.stored(Selection::default()).await.unwrap() {
        replay.delivery(&delivery).await.unwrap();
    }
    for delivery in replay.quarantined(Selection::default()).await.unwrap() {
        replay.rejected(&delivery).await.unwrap();
    }
    let documents = stack.ledger().documents(None, None, None, 1000).await.unwrap().documents;
    assert!(!documents.is_empty());
    for document in &documents {
        for party in Facts::new(document.provider, &document.id).parties() {
            forbidden.add(&party.name(), "a person");
            forbidden.add(&party.email, "a person");
        }
    }

    let mut stored = String::new();
    for item in stack.items().await {
        item.into_attributes().values().for_each(|value| texts(value, &mut stored));
    }
    for key in stack.keys().await {
        stored.push_str(&format!("{key}\n{}\n", String::from_utf8_lossy(&stack.object(&key).await)));
    }
    forbidden.find_in("table and bucket", &stored, true);
    forbidden.find_in("an answer", &answers, false);

    for document in documents.iter().filter(|document| document.status == Some(Kind::Completed)) {
        let subject = subject(document.provider, document.kind, &document.id);
        let is_published =
            async || types_of(&published(&stack.bus).await, &subject).contains_key(&DetailType::DocumentCompleted);
        while !is_published().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let events = published(&stack.bus).await;
    assert!(!events.is_empty());
    forbidden.find_in("an event", &serde_json::to_string(&events).unwrap(), false);

    let first = &documents[0];
    // A worker may be running; only the log matters here.
    let id = SubjectId::parse(first.id.as_str()).unwrap();
    drop(forget(&stack.ledger(), &deliveries::services(), first.provider, &id, time::now()).await);
    let log = log.lock().unwrap().clone();
    assert!(log.contains("\"message\":\"recorded\"") && log.contains("\"message\":\"refused\""), "{log}");
    forbidden.find_in("the log", &log, false);
}
