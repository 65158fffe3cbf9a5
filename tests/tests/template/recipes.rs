//! The recipes of `docs/events/recipes/`, with the examples of `docs/events/examples/`: each rule selects the events that it
//! is for, and makes a whole message of them.

use std::{collections::BTreeMap, fs};

use countersign::publish::DetailType;
use serde_json::{Value, json};

use super::{
    pipe::matches,
    template::{Parameters, Template, root},
};

/// The recipes, each with the types of events that its rule selects.
const RECIPES: [(&str, &[DetailType]); 7] = [
    ("chat", &[DetailType::DocumentCompleted]),
    ("copy-to-bucket", &[DetailType::DocumentArchived]),
    ("follow", &DetailType::ALL),
    ("lambda", &[DetailType::DocumentArchived]),
    ("sharepoint", &[DetailType::DocumentArchived]),
    ("sns", &[DetailType::DocumentDeclined, DetailType::DocumentExpired, DetailType::DocumentVoided]),
    ("sqs", &[DetailType::DocumentCompleted]),
];

fn recipe(name: &str) -> Template {
    Template::read_from(&root().join(format!("docs/events/recipes/{name}.yaml")))
}

fn example(detail_type: DetailType) -> Value {
    let file = root().join(format!("docs/events/examples/{detail_type}.json"));
    serde_json::from_str(&fs::read_to_string(file).expect("an example")).expect("JSON")
}

#[test]
fn every_recipe_is_tested() {
    let files = fs::read_dir(root().join("docs/events/recipes")).expect("recipes");
    let mut names: Vec<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
    names.sort();
    assert_eq!(names, RECIPES.map(|(name, _)| format!("{name}.yaml")));
}

#[test]
fn each_rule_selects_the_events_that_it_is_for() {
    for (name, types) in RECIPES {
        let recipe = recipe(name);
        let pattern = recipe.resource("Rule").property("/EventPattern");
        for detail_type in DetailType::ALL {
            let selected = matches(pattern, Some(&example(detail_type)));
            assert_eq!(selected, types.contains(&detail_type), "{name} {detail_type}");
        }
        let of_another_source = json!({"source": "aws.s3", "detail-type": types[0].as_str(), "detail": {}});
        assert!(!matches(pattern, Some(&of_another_source)), "{name}");
    }
}

#[test]
fn people_are_told_once_if_a_signature_proves_later_what_a_token_proved() {
    for name in ["chat", "sns"] {
        let recipe = recipe(name);
        let pattern = recipe.resource("Rule").property("/EventPattern");
        for detail_type in RECIPES.iter().find(|(recipe, _)| *recipe == name).expect("a recipe").1 {
            let mut event = example(*detail_type);
            assert!(matches(pattern, Some(&event)), "{name}");
            event["detail"]["previous_trust"] = json!("token");
            assert!(!matches(pattern, Some(&event)), "{name}");
        }
    }
}

/// The input of a rule's target, as EventBridge makes it from the event: texts replace their names in angle brackets.
fn input(transformer: &Value, event: &Value) -> Value {
    let paths: BTreeMap<String, String> =
        serde_json::from_value(transformer["InputPathsMap"].clone()).expect("paths by name");
    let mut text = transformer["InputTemplate"].as_str().expect("a text").to_owned();
    for (name, path) in paths {
        let pointer = path.strip_prefix('$').expect("a path").replace('.', "/");
        let value = event.pointer(&pointer).and_then(Value::as_str).expect("a text");
        text = text.replace(&format!("<{name}>"), value);
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn messages_name_the_document() {
    let event = example(DetailType::DocumentCompleted);
    let message = |name: &str, chat: &str| {
        let recipe = recipe(name);
        let transformer = recipe.resource("Rule").property("/Targets/0/InputTransformer");
        input(&recipe.resolve(transformer, &Parameters::default().with("Chat", chat)), &event)
    };
    assert_eq!(message("sns", ""), json!("Document 373340 of signeasy is completed."));
    let text = "signeasy: document 373340 is completed.";
    assert_eq!(message("chat", "slack"), json!({"text": text}));
    let card = &message("chat", "teams")["attachments"][0]["content"];
    assert_eq!(card["body"][0]["text"], text);
}
