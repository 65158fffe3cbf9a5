//! Reads `template.yaml`, with CloudFormation's short tags as long forms, and resolves values as CloudFormation does for
//! given parameters.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The repository's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The template.
pub struct Template(Value);

/// A resource of the template.
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    pub id: &'a str,
    pub value: &'a Value,
}

impl<'a> Resource<'a> {
    /// The property at a JSON pointer below `Properties`.
    pub fn property(self, pointer: &str) -> &'a Value {
        let value = self.value["Properties"].pointer(pointer);
        value.unwrap_or_else(|| panic!("{} has no {pointer}", self.id))
    }
}

impl Template {
    pub fn read() -> Self {
        Self::read_from(&root().join("template.yaml"))
    }

    /// Another template.
    pub fn read_from(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let documents = Yaml::load_from_str(&text).expect("YAML");
        let [document] = documents.as_slice() else { panic!("one document") };
        Self(json(document))
    }

    pub fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("no section {name}"))
    }

    /// The resources of a type.
    pub fn resources<'a>(&'a self, of: &str) -> impl Iterator<Item = Resource<'a>> {
        let all = self.section("Resources").iter();
        all.filter(move |(_, value)| value["Type"] == of).map(|(id, value)| Resource { id, value })
    }

    pub fn resource(&self, id: &str) -> Resource<'_> {
        let (id, value) = self.section("Resources").get_key_value(id).unwrap_or_else(|| panic!("no resource {id}"));
        Resource { id, value }
    }

    /// The functions.
    pub fn functions(&self) -> impl Iterator<Item = Resource<'_>> {
        self.resources("AWS::Serverless::Function")
    }

    /// The variables that a function's environment names, whether it gives them a value or `AWS::NoValue`.
    pub fn variables(&self, function: &str) -> BTreeMap<String, &Value> {
        let of_all = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        let own = self.resource(function).property("/Environment/Variables");
        let variables = [of_all, own].into_iter().flat_map(|variables| variables.as_object().expect("variables"));
        variables.map(|(name, value)| (name.clone(), value)).collect()
    }

    /// A function's environment with these parameters, without unset variables.
    pub fn environment(&self, function: &str, parameters: &Parameters) -> BTreeMap<String, String> {
        let variables = self.variables(function).into_iter();
        let resolved = variables.map(|(name, value)| (name, self.resolve(value, parameters)));
        resolved.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
    }

    /// A value with its functions evaluated. Values that only AWS knows are replaced by names: `!Ref Table` by `Table`,
    /// `!GetAtt Table.Arn` by `Table.Arn`. `AWS::NoValue` is null.
    pub fn resolve(&self, value: &Value, parameters: &Parameters) -> Value {
        let resolve = |value: &Value| self.resolve(value, parameters);
        match value {
            Value::Array(values) => values.iter().map(resolve).filter(|value| !value.is_null()).collect(),
            Value::Object(object) => match single(object) {
                Some(("Ref", name)) => self.reference(name.as_str().expect("a name"), parameters),
                Some(("Fn::GetAtt", path)) => {
                    let path = path.as_array().expect("a path").iter().map(|part| part.as_str().expect("a name"));
                    path.collect::<Vec<_>>().join(".").into()
                }
                Some(("Fn::Sub", Value::Array(with_variables))) => {
                    let text = with_variables[0].as_str().expect("a text").to_owned();
                    let variables = with_variables[1].as_object().expect("variables").iter();
                    let text = variables.fold(text, |text, (name, value)| {
                        text.replace(&format!("${{{name}}}"), resolve(value).as_str().unwrap_or(name))
                    });
                    self.substitute(&text, parameters).into()
                }
                Some(("Fn::Sub", text)) => self.substitute(text.as_str().expect("a text"), parameters).into(),
                Some(("Fn::If", branches)) => {
                    let condition = &self.section("Conditions")[branches[0].as_str().expect("a condition")];
                    resolve(if self.holds(condition, parameters) { &branches[1] } else { &branches[2] })
                }
                _ => object.iter().map(|(key, value)| (key.clone(), resolve(value))).collect::<Map<_, _>>().into(),
            },
            other => other.clone(),
        }
    }

    fn reference(&self, name: &str, parameters: &Parameters) -> Value {
        if name == "AWS::NoValue" {
            return Value::Null;
        }
        match self.section("Parameters").get(name) {
            Some(parameter) => {
                let default = || match &parameter["Default"] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                parameters.0.get(name).cloned().unwrap_or_else(default).into()
            }
            None => name.into(),
        }
    }

    fn substitute(&self, text: &str, parameters: &Parameters) -> String {
        let mut parts = text.split("${");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |done, part| {
            let (name, rest) = part.split_once('}').expect("a closing brace");
            let value = self.reference(name, parameters);
            format!("{done}{}{rest}", value.as_str().expect("a text"))
        })
    }

    fn holds(&self, condition: &Value, parameters: &Parameters) -> bool {
        match single(condition.as_object().expect("a condition")) {
            Some(("Fn::Not", inner)) => !self.holds(&inner[0], parameters),
            Some(("Fn::Equals", both)) => self.resolve(&both[0], parameters) == self.resolve(&both[1], parameters),
            Some(("Fn::And", all)) => {
                all.as_array().expect("conditions").iter().all(|inner| self.holds(inner, parameters))
            }
            Some(("Fn::Condition", name)) => {
                self.holds(&self.section("Conditions")[name.as_str().expect("a name")], parameters)
            }
            other => panic!("{other:?} is an unknown condition"),
        }
    }
}

/// Parameters that differ from their defaults.
#[derive(Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

fn single(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut members = object.iter();
    match (members.next(), members.next()) {
        (Some((key, value)), None) => Some((key, value)),
        _ => None,
    }
}

/// YAML as JSON: `!Ref X` as `{"Ref": "X"}`, `!GetAtt A.B` as `{"Fn::GetAtt": ["A", "B"]}`, and so on.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Sequence(values) => values.iter().map(json).collect(),
        Yaml::Mapping(members) => {
            let members =
                members.iter().map(|(key, value)| (key.as_str().expect("a text key").to_owned(), json(value)));
            members.collect::<Map<_, _>>().into()
        }
        Yaml::Tagged(tag, value) => match (tag.suffix.as_str(), json(value)) {
            ("Ref", value) => json!({"Ref": value}),
            ("GetAtt", Value::String(path)) => json!({"Fn::GetAtt": path.split('.').collect::<Vec<_>>()}),
            (function, value) => Map::from_iter([(format!("Fn::{function}"), value)]).into(),
        },
        other => panic!("{other:?} isn't allowed in a template"),
    }
}

#[test]
fn short_tags_are_read_as_long_forms_and_resolved() {
    let template = Template::read();
    let parameters = Parameters::default();
    let batch = template.environment("V1Batch", &parameters);
    assert_eq!(batch["TABLE_NAME"], "Table");
    assert_eq!(batch["LEGALESIGN_PROOF_SECRET_ID"], "LegalesignProofSecret");
    assert_eq!(batch["MAX_BODY_BYTES"], "4500000");
    let worker = template.environment("FinalDocument", &parameters);
    assert!(!worker.contains_key("SIGNEASY_API_URL"));
    let worker = template.environment("FinalDocument", &parameters.with("SigneasyApiUrl", "https://example"));
    assert_eq!(worker["SIGNEASY_API_URL"], "https://example");
}
