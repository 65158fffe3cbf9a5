//! Functions as deployed: their environment comes from the template, their secrets from a simulated Secrets Manager.
//! The services that they call are embedded or simulated. Tests call the functions directly.

use std::{collections::BTreeMap, ops::Deref};

use axum::{Json, Router, extract::State, routing::post};
use countersign::{
    aws::Aws,
    domain::Provider,
    settings::{Problems, Settings},
};
use countersign_cli::{
    bus,
    deployment::template_name,
    simulator::{SERVICES, legalesign::posts},
    stack::{BUCKET, Secrets, TABLE, TEMPORARY_BUCKET, clients},
};
use end_to_end::Embedded;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use super::template::{Parameters, Template, root};

/// The embedded services and the simulated Secrets Manager.
pub struct Deployed {
    /// Clients of DynamoDB, S3 and Secrets Manager.
    pub aws: Aws,
    embedded: Embedded,
    _secrets_manager: JoinSet<()>,
}

impl Deployed {
    /// Starts the services. Only the secrets of `events/` are stored.
    pub async fn start() -> Self {
        let embedded = Embedded::start(secrets()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/", post(get_secret_value)).with_state(embedded.secrets.clone());
        let mut secrets_manager = JoinSet::new();
        secrets_manager.spawn(async move { axum::serve(listener, router).await.expect("a Secrets Manager") });
        let aws = Aws { secrets: clients(&url, &url, &embedded.key).await.secrets, ..embedded.aws.clone() };
        Self { aws, embedded, _secrets_manager: secrets_manager }
    }

    /// A function's environment as the template sets it, with the URLs of the simulated APIs.
    pub fn environment(&self, template: &Template, function: &str) -> BTreeMap<String, String> {
        let all = Parameters::default().with("Providers", &Provider::ALL.map(Provider::as_str).join(","));
        let parameters = SERVICES.iter().fold(all, |parameters, service| {
            let name = api_url_parameter(service.provider());
            parameters.with(&name, &format!("{}{}", self.simulator_url, service.api_path()))
        });
        let mut environment = template.environment(function, &parameters);
        for value in environment.values_mut() {
            match value.as_str() {
                "Table" => *value = TABLE.to_owned(),
                "ArchiveBucket" => *value = BUCKET.to_owned(),
                "TemporaryBucket" => *value = TEMPORARY_BUCKET.to_owned(),
                "EventBus.Arn" => *value = bus::NAME.to_owned(),
                other => *value = other.replace("Api.ApiEndpoint", "https://api.example"),
            }
        }
        // The settings of `events/` that differ from a deployed stack.
        let others = for_events().remove(function).into_iter().flatten().filter(|(name, _)| !is_secret(name));
        environment.extend(others);
        // All services are on loopback here.
        environment.insert("ALLOW_INSECURE_DOWNLOADS".to_owned(), "true".to_owned());
        environment
    }

    /// The settings that a function reads from that environment.
    pub fn settings(&self, template: &Template, function: &str) -> Result<Settings, Problems> {
        let environment = self.environment(template, function);
        countersign::providers::settings(|name| environment.get(name).cloned())
    }
}

impl Deref for Deployed {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}

/// The parameter with the URL of a service's API.
pub fn api_url_parameter(provider: Provider) -> String {
    template_name(&provider.variable("API_URL"))
}

/// The variables for `events/`, by function: `events/env.json`, which `sam local` uses too.
fn for_events() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = std::fs::read_to_string(root().join("events/env.json")).expect("events/env.json");
    serde_json::from_str(&text).expect("JSON")
}

fn is_secret(variable: &str) -> bool {
    variable.ends_with("_PROOF") || variable.ends_with("_API")
}

/// The secrets among those variables. They are written to a folder and read as `countersign serve --secrets` does.
fn secrets() -> Secrets {
    let variables: BTreeMap<String, String> = for_events().into_values().flatten().collect();
    let secret = |provider: Provider, kind: &str| -> Value {
        let variable = provider.variable(kind);
        let text = variables.get(&variable).unwrap_or_else(|| panic!("events/env.json has no {variable}"));
        serde_json::from_str(text).expect("JSON")
    };
    let folder = TempDir::new().expect("a folder");
    for provider in Provider::ALL {
        let mut proof = secret(provider, "PROOF");
        if provider == Provider::Legalesign {
            // Reconcile queries the named groups only: the one in `events/` and the simulator's.
            proof["groups"] = json!(["your-group", posts::GROUP]);
        }
        let file = json!({"proof": proof, "api": secret(provider, "API")});
        std::fs::write(folder.path().join(format!("{provider}.json")), file.to_string()).expect("a file");
    }
    Secrets::read(folder.path()).expect("secrets")
}

/// Answers GetSecretValue. An id is the resource's name in the template, for example `LegalesignProofSecret`.
async fn get_secret_value(State(secrets): State<Secrets>, body: String) -> Json<Value> {
    let request: Value = serde_json::from_str(&body).expect("JSON");
    let id = request["SecretId"].as_str().expect("an id");
    let is_of = |provider: &Provider| id.starts_with(&template_name(&provider.variable("")));
    let provider = Provider::ALL.into_iter().find(is_of);
    let (proof, api) = secrets.of(provider.unwrap_or_else(|| panic!("no secret {id}")));
    let secret = if id.ends_with("ProofSecret") { proof } else { api };
    Json(json!({"ARN": id, "Name": id, "SecretString": secret.to_string()}))
}
