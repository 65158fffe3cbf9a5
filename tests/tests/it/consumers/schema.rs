//! The schema of published events.

use std::{collections::BTreeSet, fs, path::PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The folder of the schema and the examples.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/events")
}

/// The validators of `events.schema.json`.
pub struct Schema {
    json: Value,
    event: Validator,
    webhook: Validator,
}

impl Schema {
    pub fn read() -> Self {
        let text = fs::read_to_string(folder().join("events.schema.json")).expect("a schema");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        jsonschema::meta::validate(&json).expect("a schema of draft 2020-12");
        let validator = |schema: &Value| {
            jsonschema::options()
                .should_validate_formats(true)
                .build(schema)
                .expect("a schema without outside references")
        };
        let mut webhook = json.clone();
        for keyword in ["required", "properties", "oneOf"] {
            webhook.as_object_mut().expect("an object").remove(keyword);
        }
        webhook["$ref"] = json!("#/$defs/webhook");
        Self { event: validator(&json), webhook: validator(&webhook), json }
    }

    /// Checks an event of the bus, and that the schema describes all that it has.
    pub fn check_event(&self, event: &Value) {
        check(&self.event, event);
        self.check_is_described(&event["detail"]);
    }

    /// The same for the body of a forwarded event.
    pub fn check_webhook(&self, body: &Value) {
        check(&self.webhook, body);
        self.check_is_described(&body["data"]);
    }

    /// Whether an event is valid.
    pub fn allows(&self, event: &Value) -> bool {
        self.event.is_valid(event)
    }

    fn check_is_described(&self, detail: &Value) {
        let undescribed = |value: &Value, of: &str| {
            let described = keys(&self.json["$defs"][of]["properties"]);
            assert!(keys(value).is_subset(&described), "the schema doesn't describe all of {value}");
        };
        undescribed(detail, "detail");
        undescribed(&detail["subject"], "subject");
        detail["pdfs"].as_array().expect("PDFs").iter().for_each(|pdf| undescribed(pdf, "pdf"));
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn check(validator: &Validator, value: &Value) {
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {value:#}");
}
