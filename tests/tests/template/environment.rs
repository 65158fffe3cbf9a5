//! Environment variables: each that is set is read, and each that is needed is set.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use countersign::{
    delivery::Route,
    provider::Provider,
    settings::{SecretSource, Settings},
    telemetry::SERVICE_VARIABLE,
};
use countersign_cli::deployment::Deployment;

use super::{
    bench::Bench,
    routes,
    template::{Parameters, Template},
};

/// The variables that settings are read from. What is wrong with them doesn't matter here.
fn read_by_the_code() -> BTreeSet<String> {
    let read = RefCell::new(BTreeSet::new());
    drop(Settings::read(|name| {
        read.borrow_mut().insert(name.to_owned());
        None
    }));
    let mut read = read.into_inner();
    read.insert(SERVICE_VARIABLE.to_owned());
    read
}

/// What only the local stack and tests set.
fn for_local_use() -> BTreeSet<String> {
    let in_place = Provider::ALL.map(|provider| provider.as_str().to_uppercase());
    let in_place = in_place.iter().flat_map(|name| [format!("{name}_PROOF"), format!("{name}_API")]);
    in_place.chain(["ALLOW_INSECURE_DOWNLOADS".to_owned()]).collect()
}

/// All that can be set in the template, with every parameter given.
fn set_in_the_template(function: &str) -> BTreeSet<String> {
    let parameters = ["LegalesignApiUrl", "QuicklysignApiUrl", "SigneasyApiUrl", "DownloadHosts"]
        .into_iter()
        .fold(Parameters::default(), |parameters, name| parameters.with(name, "https://example"))
        .with("LegalesignRealtimeProof", "signature")
        .with("QuicklysignWebhookKeys", "key");
    Template::read().environment(function, &parameters).into_keys().collect()
}

#[test]
fn what_the_template_sets_is_what_the_code_reads() {
    let template = Template::read();
    let set: BTreeSet<String> = template.functions().flat_map(|function| set_in_the_template(function.id)).collect();
    let read: BTreeSet<String> = read_by_the_code().difference(&for_local_use()).cloned().collect();
    assert_eq!(set, read);
}

#[tokio::test]
async fn every_function_s_settings_are_right() {
    let template = Template::read();
    let bench = Bench::start().await;
    for function in template.functions() {
        let settings = bench.settings(&template, function.id);
        assert!(settings.is_ok(), "{}: {:?}", function.id, settings.err());
    }
}

#[tokio::test]
async fn a_callback_has_its_own_proof_and_no_other_secret() {
    let template = Template::read();
    let bench = Bench::start().await;
    for route in Route::ALL {
        let function = routes::function(route);
        let settings = bench.settings(&template, function).expect("settings");
        for provider in Provider::ALL {
            let secrets = settings.provider(provider);
            let has = |secret: &SecretSource| matches!(secret, SecretSource::SecretsManager(_));
            assert_eq!(has(&secrets.proof), provider == route.provider(), "{function}: {provider}'s proof");
            assert!(!has(&secrets.api), "{function}: {provider}'s credentials");
        }
        assert!(set_in_the_template(function).contains("MAX_BODY_BYTES"), "{function}");
    }
    assert!(set_in_the_template("V1Realtime").contains("LEGALESIGN_REALTIME_PROOF"));
    assert!(set_in_the_template("SigneasyCallback").contains("SIGNEASY_TOKEN"));
}

#[tokio::test]
async fn the_archive_worker_has_every_credential_and_no_proof() {
    let template = Template::read();
    let bench = Bench::start().await;
    let settings = bench.settings(&template, "FinalDocument").expect("settings");
    for provider in Provider::ALL {
        let secrets = settings.provider(provider);
        assert!(matches!(&secrets.api, SecretSource::SecretsManager(_)), "{provider}'s credentials");
        assert!(!matches!(&secrets.proof, SecretSource::SecretsManager(_)), "{provider}'s proof");
    }
}

/// Both decide by it: the worker what to download, the sweep which blocked orders go on.
#[test]
fn the_sweep_allows_the_same_hosts_as_the_archive_worker() {
    let hosts = |function: &str| -> BTreeSet<String> {
        let set = set_in_the_template(function);
        set.into_iter().filter(|name| name == "DOWNLOAD_HOSTS" || name.ends_with("_API_URL")).collect()
    };
    assert_eq!(hosts("Reconcile"), hosts("FinalDocument"));
    assert_eq!(hosts("Reconcile").len(), 4);
}

/// An operator's command takes the functions' settings from what CloudFormation tells of the stack.
#[test]
fn outputs_and_parameters_tell_every_setting_of_the_functions() {
    let template = Template::read();
    let given = [
        ("LegalesignApiUrl", "https://legalesign.example"),
        ("QuicklysignApiUrl", "https://quicklysign.example"),
        ("SigneasyApiUrl", "https://signeasy.example"),
        ("DownloadHosts", "files.example"),
        ("LegalesignRealtimeProof", "signature"),
        ("QuicklysignSubscriptions", "strict"),
        ("QuicklysignWebhookKeys", "key"),
        ("QuicklysignDeletePaths", "plural"),
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
        let deployment = Deployment::new(&outputs.collect(), &parameters.collect()).expect("a stack of ours");
        assert_eq!((deployment.table.as_str(), deployment.bucket.as_str()), ("Table", "ArchiveBucket"));
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
