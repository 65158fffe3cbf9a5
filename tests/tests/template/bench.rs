//! The embedded DynamoDB and S3, the simulated services and a Secrets Manager, without pipe, queue and schedule: nothing
//! happens but what a test does. Functions are started as deployed: with the environment that the template gives them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use countersign::{
    aws::Aws,
    ledger::Ledger,
    provider::Provider,
    settings::{Problems, Settings},
};
use countersign_cli::{
    simulator::{Simulator, legalesign::posts},
    stack::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Storage, TABLE},
};
use end_to_end::bench::{listen, serve_simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};

use super::template::{Parameters, Template, root};

/// The parts.
pub struct Bench {
    pub aws: Aws,
    simulator: String,
    _folder: TempDir,
    _parts: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

impl Bench {
    /// Fresh parts, with the secrets that `events/` is made for.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut parts, &stopping).await.expect("the embedded services");
        let secrets = secrets();
        let credentials =
            |provider: Provider| Some((provider.to_string(), secrets.get(&name(provider, "API"))?.clone()));
        let credentials = Value::Object(Provider::ALL.into_iter().filter_map(credentials).collect());
        let simulated = Simulator::new(serde_json::from_value(credentials).expect("credentials"));
        let simulator = serve_simulator(simulated, &mut parts, stopping).await;
        let (listener, secrets_manager) = listen().await;
        parts.spawn(async move {
            let router = Router::new().route("/", post(secret)).with_state(Arc::new(secrets));
            axum::serve(listener, router).await.expect("the secrets");
        });
        let credentials = aws_sdk_s3::config::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(countersign::aws::behavior_version())
            .region(aws_sdk_secretsmanager::config::Region::new(REGION))
            .credentials_provider(credentials)
            .endpoint_url(secrets_manager)
            .build();
        let secrets = aws_sdk_secretsmanager::Client::from_conf(config);
        Self {
            aws: Aws { secrets: secrets.into(), ..storage.aws },
            simulator,
            _folder: folder,
            _parts: parts,
            _stop: stop,
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }

    /// A function's environment as the template sets it, with the providers' APIs simulated.
    pub fn environment(&self, template: &Template, function: &str) -> BTreeMap<String, String> {
        let parameters = Parameters::default()
            .with("LegalesignApiUrl", &format!("{}/legalesign/api/v1", self.simulator))
            .with("QuicklysignApiUrl", &format!("{}/quicklysign", self.simulator))
            .with("SigneasyApiUrl", &format!("{}/signeasy", self.simulator));
        let mut environment = template.environment(function, &parameters);
        for value in environment.values_mut() {
            match value.as_str() {
                "Table" => *value = TABLE.to_owned(),
                "ArchiveBucket" => *value = BUCKET.to_owned(),
                other => *value = other.replace("Api.ApiEndpoint", "https://api.example"),
            }
        }
        // What `events/` wants set differently from a deployed stack.
        let others = for_events().remove(function).into_iter().flatten().filter(|(name, _)| !is_secret(name));
        environment.extend(others);
        // Everything is on loopback here.
        environment.insert("ALLOW_INSECURE_DOWNLOADS".to_owned(), "true".to_owned());
        environment
    }

    /// A function's settings as it reads them of that environment.
    pub fn settings(&self, template: &Template, function: &str) -> Result<Settings, Problems> {
        let environment = self.environment(template, function);
        Settings::read(|name| environment.get(name).cloned())
    }
}

/// The variables that `events/` is made for, as `events/env.json` gives them to `sam local`: by function.
fn for_events() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = std::fs::read_to_string(root().join("events/env.json")).expect("events/env.json");
    serde_json::from_str(&text).expect("JSON")
}

fn is_secret(variable: &str) -> bool {
    variable.ends_with("_PROOF") || variable.ends_with("_API")
}

type Secrets = BTreeMap<String, Value>;

/// The secrets among them, by variable.
fn secrets() -> Secrets {
    let variables = for_events().into_values().flatten().filter(|(name, _)| is_secret(name));
    let mut secrets: Secrets =
        variables.map(|(name, text)| (name, serde_json::from_str(&text).expect("JSON"))).collect();
    // Reconcile asks for the groups that are named, and for none otherwise: the events' and the simulator's.
    secrets.get_mut("LEGALESIGN_PROOF").expect("a proof")["groups"] = json!(["your-group", posts::GROUP]);
    secrets
}

fn name(provider: Provider, sort: &str) -> String {
    format!("{}_{sort}", provider.as_str().to_uppercase())
}

/// GetSecretValue: `LegalesignProofSecret` is `LEGALESIGN_PROOF`.
async fn secret(State(secrets): State<Arc<Secrets>>, body: String) -> Json<Value> {
    let request: Value = serde_json::from_str(&body).expect("JSON");
    let id = request["SecretId"].as_str().expect("an id");
    let provider = Provider::ALL.into_iter().find(|provider| id.to_lowercase().starts_with(provider.as_str()));
    let provider = provider.unwrap_or_else(|| panic!("no secret {id}"));
    let variable = name(provider, if id.ends_with("ProofSecret") { "PROOF" } else { "API" });
    let secret = secrets.get(&variable).unwrap_or_else(|| panic!("events/env.json has no {variable}"));
    Json(json!({"ARN": id, "Name": id, "SecretString": secret.to_string()}))
}
