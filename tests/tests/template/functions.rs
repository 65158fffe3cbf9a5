//! The functions: one per folder, built from the binary of its name, with consistent timeouts.

use std::{collections::BTreeMap, process::Command};

use countersign::{domain::Route, telemetry::VERSION};
use countersign_cli::deployment::VERSION_OUTPUT;
use serde_json::Value;

use super::routes;
use super::template::{Template, root};

/// The folders of the functions, by the logical ids that they must have: `V1Batch` for `v1-batch`.
pub fn folders() -> BTreeMap<String, String> {
    let folders = std::fs::read_dir(root().join("functions")).expect("functions/");
    let names = folders.map(|folder| folder.expect("a folder").file_name().into_string().expect("a name"));
    names.map(|name| (pascal_case(&name), name)).collect()
}

fn pascal_case(name: &str) -> String {
    let capitalised = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').map(capitalised).collect()
}

#[test]
fn every_function_folder_is_a_function_built_from_its_own_binary() {
    let template = Template::read();
    let folders = folders();
    let ids: Vec<&str> = template.functions().map(|function| function.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, folders.keys().map(String::as_str).collect::<Vec<_>>());
    for function in template.functions() {
        let folder = &folders[function.id];
        assert_eq!(function.property("/CodeUri"), &Value::from(format!("functions/{folder}/")));
        let metadata = &function.value["Metadata"];
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{}", function.id);
        assert_eq!(metadata["BuildProperties"]["Binary"], folder.as_str());
        let manifest = std::fs::read_to_string(root().join("functions").join(folder).join("Cargo.toml"));
        let manifest = manifest.expect("a manifest");
        assert!(manifest.contains(&format!("name = \"{folder}\"\n")), "{folder} must be named as its folder");
        assert!(root().join("functions").join(folder).join("src/main.rs").exists(), "{folder} has no binary");
    }
}

#[test]
fn only_functions_that_verify_signatures_build_openssl() {
    let builds_openssl = |function: &String| {
        let mut tree = Command::new(env!("CARGO"));
        tree.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", function]);
        let tree = tree.current_dir(root()).output().expect("cargo");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        String::from_utf8_lossy(&tree.stdout).lines().any(|package| package.starts_with("openssl-sys "))
    };
    let functions: Vec<String> = folders().into_values().filter(builds_openssl).collect();
    assert_eq!(functions, ["final-document", "v1-batch", "v1-realtime"]);
}

#[test]
fn every_function_has_its_own_role_and_log_group() {
    let template = Template::read();
    for function in template.functions() {
        let id = function.id;
        assert_eq!(function.property("/Role")["Fn::GetAtt"][0], format!("{id}Role"));
        assert_eq!(function.property("/LoggingConfig/LogGroup")["Ref"], format!("{id}Log"));
        template.resource(&format!("{id}Log")).property("/RetentionInDays");
    }
}

#[test]
fn timeouts_are_consistent() {
    let template = Template::read();
    let seconds = |id: &str| template.resource(id).property("/Timeout").as_u64().expect("seconds");
    // A callback function answers within 20 s by itself, and SignEasy times out after 30 s.
    for id in Route::ALL.map(routes::function) {
        assert_eq!(seconds(id), 25, "{id}");
    }
    // While a worker does a job, no other may: its lease lasts 16 minutes, and Lambda recommends a visibility timeout of
    // six times the function's timeout.
    assert!(seconds("FinalDocument") <= 15 * 60);
    let queue = template.resource("ArchiveQueue");
    assert!(queue.property("/VisibilityTimeout").as_u64() >= Some(6 * seconds("FinalDocument")));
    assert_eq!(seconds("FinalDocument"), final_document::TIME_LIMIT.as_secs());
    assert_eq!(queue.property("/RedrivePolicy/maxReceiveCount"), 5, "as in the local stack's queue");
    // Sweeps don't overlap.
    let schedule = template.resource("Reconcile").property("/Events/Sweep/Properties/ScheduleExpression");
    assert_eq!(schedule, "rate(15 minutes)");
    assert!(seconds("Reconcile") < 15 * 60);
}

#[test]
fn schedules_send_tasks_that_reconcile_knows() {
    let template = Template::read();
    let events = template.resource("Reconcile").property("/Events").as_object().expect("events");
    for (name, event) in events {
        let input = event["Properties"]["Input"].as_str().expect("an input");
        assert!(serde_json::from_str::<reconcile::Task>(input).is_ok(), "{name}: {input}");
    }
}

#[test]
fn the_template_names_the_version_of_the_code() {
    let template = Template::read();
    assert_eq!(template.section("Outputs")[VERSION_OUTPUT]["Value"], VERSION);
    assert_eq!(template.section("Globals")["Function"]["Tags"]["countersign:version"], VERSION);
}
