//! Environment variables: the template sets exactly the ones that the code reads.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use countersign::{
    domain::{Provider, Route},
    settings::SecretSource,
    telemetry::SERVICE_VARIABLE,
};
use countersign_cli::{
    deployment::Deployment,
    stack::{Folder, Host, Options, Stack},
};

use super::{
    deployed::{Deployed, api_url_parameter},
    routes,
    template::{Parameters, Template},
};

/// The root of the certificates in `tests/pdf-signatures`.
const ROOT: &str = include_str!("../../pdf-signatures/files/root.pem");

/// The variables that settings are read from.
fn read_by_the_code() -> BTreeSet<String> {
    let read = RefCell::new(BTreeSet::new());
    drop(countersign::providers::settings(|name| {
        read.borrow_mut().insert(name.to_owned());
        None
    }));
    let mut read = read.into_inner();
    read.insert(SERVICE_VARIABLE.to_owned());
    read
}

/// Variables that only the local stack and tests set.
fn for_local_use() -> BTreeSet<String> {
    let in_place = Provider::ALL.into_iter().flat_map(|provider| ["PROOF", "API"].map(|kind| provider.variable(kind)));
    in_place.chain(["ALLOW_INSECURE_DOWNLOADS".to_owned()]).collect()
}

/// The variables that the template sets for a function if every parameter is given.
fn set_in_the_template(function: &str) -> BTreeSet<String> {
    let parameters = Provider::ALL
        .map(api_url_parameter)
        .iter()
        .fold(Parameters::default(), |parameters, name| parameters.with(name, "https://example"))
        .with("DownloadHosts", "https://example")
        .with("LegalesignRealtimeProof", "signature")
        .with("LegalesignRealtimeHmac", "required")
        .with("LegalesignRealtimeHmacForm", "hex-text")
        .with("LegalesignTimeZone", "Europe/London")
        .with("PdfTrustRoots", ROOT)
        .with("QuicklysignWebhookKeys", "key");
    Template::read().environment(function, &parameters).into_keys().collect()
}

#[test]
fn the_template_sets_exactly_the_variables_that_the_code_reads() {
    let template = Template::read();
    let set: BTreeSet<String> = template.functions().flat_map(|function| set_in_the_template(function.id)).collect();
    let read: BTreeSet<String> = read_by_the_code().difference(&for_local_use()).cloned().collect();
    assert_eq!(set, read);
}

/// What `countersign serve --containers` writes for `sam local … --env-vars`.
async fn written_for_sam() -> BTreeMap<String, String> {
    let data = tempfile::tempdir().expect("a folder");
    let folder = Folder::take(data.path()).expect("a lock").free().expect("a free folder");
    let stack = Stack::start(folder, Options::for_tests().expect("options")).await.expect("a stack");
    let host = Host::Name("host.docker.internal".to_owned());
    let containers = stack.admit_containers(&host, true).await.expect("a file");
    let text = std::fs::read_to_string(&containers.env_file).expect("the file");
    let mut environments: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&text).expect("JSON");
    stack.stop().await;
    environments.remove("Parameters").expect("variables for all functions")
}

/// SAM passes a function only the variables that the template names for it. The template names those for local use
/// without a value, so that a deployed function doesn't have them.
#[tokio::test]
async fn variables_for_sam_local_are_passed_to_local_functions_and_not_to_deployed_ones() {
    let template = Template::read();
    let written = written_for_sam().await;
    let mut local = for_local_use();
    local.extend(["DYNAMODB", "EVENTBRIDGE", "S3"].map(|service| format!("AWS_ENDPOINT_URL_{service}")));
    local.insert("AWS_S3_FORCE_PATH_STYLE".to_owned());
    let written_names: BTreeSet<String> = written.keys().cloned().collect();
    assert!(local.is_subset(&written_names), "{local:?}");
    let mut passed = BTreeSet::new();
    for function in template.functions() {
        assert!(set_in_the_template(function.id).is_disjoint(&local), "{} is deployed with it", function.id);
        let named = template.variables(function.id);
        let missing: Vec<_> = local.iter().filter(|name| !named.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", function.id);
        let deployed = template.environment(function.id, &Parameters::default());
        let variable =
            |name: &str| written.get(name).or_else(|| deployed.get(name)).filter(|_| named.contains_key(name));
        let settings = countersign::providers::settings(|name| variable(name).cloned());
        assert!(settings.is_ok(), "{}: {:?}", function.id, settings.err());
        passed.extend(named.into_keys().filter(|name| written.contains_key(name)));
    }
    assert_eq!(passed, written_names, "every written variable is passed to a function");
}

#[tokio::test]
async fn the_settings_of_every_function_are_valid() {
    let template = Template::read();
    let deployed = Deployed::start().await;
    for function in template.functions() {
        let settings = deployed.settings(&template, function.id);
        assert!(settings.is_ok(), "{}: {:?}", function.id, settings.err());
    }
}

#[tokio::test]
async fn callback_functions_have_their_own_proof_and_no_other_secret() {
    let template = Template::read();
    let deployed = Deployed::start().await;
    for route in Route::ALL {
        let function = routes::function(route);
        let settings = deployed.settings(&template, function).expect("settings");
        for provider in Provider::ALL {
            let secrets = settings.service(provider);
            let has = |secret: &SecretSource| matches!(secret, SecretSource::SecretsManager(_));
            assert_eq!(has(&secrets.proof), provider == route.provider(), "{function}: {provider}'s proof");
            assert!(!has(&secrets.api), "{function}: {provider}'s credentials");
        }
        assert!(set_in_the_template(function).contains("MAX_BODY_BYTES"), "{function}");
    }
    assert!(set_in_the_template("V1Realtime").contains("LEGALESIGN_REALTIME_PROOF"));
    assert!(set_in_the_template("V1Realtime").contains("LEGALESIGN_REALTIME_HMAC_FORM"));
    assert!(set_in_the_template("V1Batch").contains("LEGALESIGN_TIME_ZONE"));
    assert!(set_in_the_template("SigneasyCallback").contains("SIGNEASY_TOKEN"));
}

#[tokio::test]
async fn the_archive_worker_has_all_api_credentials_and_no_proof() {
    let template = Template::read();
    let deployed = Deployed::start().await;
    let settings = deployed.settings(&template, "FinalDocument").expect("settings");
    for provider in Provider::ALL {
        let secrets = settings.service(provider);
        assert!(matches!(&secrets.api, SecretSource::SecretsManager(_)), "{provider}'s credentials");
        assert!(!matches!(&secrets.proof, SecretSource::SecretsManager(_)), "{provider}'s proof");
    }
}

/// By these hosts, the worker decides what to download, and the sweep decides which blocked jobs continue.
#[test]
fn the_sweep_and_the_archive_worker_allow_the_same_download_hosts() {
    let hosts = |function: &str| -> BTreeSet<String> {
        let set = set_in_the_template(function);
        set.into_iter().filter(|name| name == "DOWNLOAD_HOSTS" || name.ends_with("_API_URL")).collect()
    };
    assert_eq!(hosts("Reconcile"), hosts("FinalDocument"));
    assert_eq!(hosts("Reconcile").len(), Provider::ALL.len() + 1);
}

/// Operators' commands read the functions' settings from the outputs and parameters of the deployed stack.
#[test]
fn outputs_and_parameters_cover_every_setting_of_the_functions() {
    let template = Template::read();
    let given = [
        ("DropboxSignApiUrl", "https://dropbox-sign.example"),
        ("LegalesignApiUrl", "https://legalesign.example"),
        ("QuicklysignApiUrl", "https://quicklysign.example"),
        ("SigneasyApiUrl", "https://signeasy.example"),
        ("DownloadHosts", "files.example"),
        ("PdfTrustRoots", ROOT),
        ("LegalesignRealtimeProof", "signature"),
        ("LegalesignRealtimeHmac", "required"),
        ("LegalesignRealtimeHmacForm", "hex-text"),
        ("LegalesignTimeZone", "Europe/London"),
        ("QuicklysignSubscriptions", "strict"),
        ("QuicklysignWebhookKeys", "key"),
        ("QuicklysignDeletePaths", "plural"),
        ("DropboxSignFileType", "zip"),
        ("SigneasyTokenPolicy", "if_present"),
        ("SigneasyApiPath", "v4"),
        ("MaxBodyBytes", "4000"),
        ("SigneasyProofSecretArn", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:adopted"),
    ];
    for given in [&[][..], &given] {
        let with = || given.iter().fold(Parameters::default(), |all, (name, value)| all.with(name, value));
        let text = |value: &serde_json::Value| template.resolve(value, &with()).as_str().expect("a text").to_owned();
        let outputs = template.section("Outputs").iter().map(|(name, output)| (name.clone(), text(&output["Value"])));
        let parameters = template.section("Parameters").keys();
        let parameters = parameters.map(|name| (name.clone(), text(&serde_json::json!({"Ref": name}))));
        let deployment = Deployment::new(&outputs.collect(), &parameters.collect()).expect("a deployment");
        let names = [&deployment.table, &deployment.bucket, &deployment.temporary_bucket];
        assert_eq!(names, ["Table", "ArchiveBucket", "TemporaryBucket"]);
        for function in template.functions() {
            let mut set = template.environment(function.id, &with());
            set.remove(SERVICE_VARIABLE);
            let known = set.keys().filter_map(|name| deployment.environment().get_key_value(name));
            let known: BTreeMap<String, String> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
            assert_eq!(known, set, "{}", function.id);
        }
        let known = deployment.environment().keys().cloned().collect::<BTreeSet<_>>();
        assert!(known.is_subset(&read_by_the_code()), "{known:?}");
    }
}
