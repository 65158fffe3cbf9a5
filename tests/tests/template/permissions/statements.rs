//! The statements of policies, and whether they allow recorded calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    super::template::{Parameters, Template},
    recorder::{Call, text},
};

/// Calls that AWS itself makes with a function's role: for logs, traces, reading the queue or the stream, encryption.
const DONE_BY_AWS: [&str; 8] = [
    "logs:",
    "xray:",
    "sqs:",
    "kms:",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

/// A statement that no call needs, but S3's answer to a GET of a missing object.
pub const FOR_MISSING_OBJECTS: &str = "NoticeMissingBodies";

/// A statement of a policy: actions, the resources on which they are allowed, and the partition keys to which
/// `dynamodb:LeadingKeys` restricts them.
pub struct Statement {
    pub sid: String,
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    pub leading_keys: Option<Vec<String>>,
}

impl Statement {
    pub fn allows(&self, call: &Call) -> bool {
        let allows_key = |key: &String| {
            self.leading_keys.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| fits(pattern, key)))
        };
        self.actions.contains(&call.action)
            && self.resources.iter().any(|glob| fits(glob, &call.resource))
            && call.leading_keys.iter().all(allows_key)
    }
}

/// The patterns of a statement's only supported condition.
pub fn leading_keys_of(statement: &Value) -> Option<Vec<String>> {
    let condition = statement.get("Condition")?;
    let patterns = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    assert_eq!(*condition, json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns}}));
    Some(texts(patterns))
}

/// Whether a resource matches a pattern, which may end with an asterisk.
fn fits(pattern: &str, resource: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == resource, |prefix| resource.starts_with(prefix))
}

/// The statements of a function's role that allow the function's own calls.
pub fn statements(template: &Template, function: &str) -> Vec<Statement> {
    let resolve = |value: &Value| template.resolve(value, &Parameters::default());
    let role = resolve(&template.resource(&format!("{function}Role")).value["Properties"]);
    let shared = role["ManagedPolicyArns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| resolve(template.resource(name.as_str().expect("a name")).property("/PolicyDocument")));
    let own = role["Policies"].as_array().into_iter().flatten().map(|policy| policy["PolicyDocument"].clone());
    let mut statements = Vec::new();
    for document in shared.chain(own) {
        for statement in document["Statement"].as_array().expect("statements") {
            assert_eq!(statement["Effect"], "Allow");
            let mut allowed = Statement {
                sid: text(&statement["Sid"]),
                actions: texts(&statement["Action"]),
                resources: texts(&statement["Resource"]),
                leading_keys: None,
            };
            let by_aws = |action: &String| DONE_BY_AWS.iter().any(|call| action.starts_with(call));
            if !allowed.actions.iter().all(by_aws) && allowed.sid != FOR_MISSING_OBJECTS {
                assert!(!allowed.actions.iter().any(|action| action.contains('*')), "{function}: {}", allowed.sid);
                allowed.leading_keys = leading_keys_of(statement);
                statements.push(allowed);
            }
        }
    }
    statements
}

pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect(),
        other => panic!("{other}"),
    }
}

/// Allowed actions and resources that weren't used.
pub fn unused(who: &str, statements: &[Statement], calls: &BTreeSet<Call>) -> Vec<String> {
    let mut unused = Vec::new();
    for Statement { sid, actions, resources, leading_keys } in statements {
        let used = |action: &String| {
            calls.iter().any(|call| call.action == *action && resources.iter().any(|glob| fits(glob, &call.resource)))
        };
        let by_action = || calls.iter().filter(|call| actions.contains(&call.action));
        let needed = |glob: &String| by_action().any(|call| fits(glob, &call.resource));
        let has_key = |glob: &String| by_action().any(|call| call.leading_keys.iter().any(|key| fits(glob, key)));
        let actions = actions.iter().filter(|action| !used(action));
        let resources = resources.iter().filter(|glob| !needed(glob));
        let keys = leading_keys.iter().flatten().filter(|glob| !has_key(glob));
        let all = actions.chain(resources).chain(keys);
        unused.extend(all.map(|what| format!("{who}, {sid}: {what} isn't used")));
    }
    unused
}
