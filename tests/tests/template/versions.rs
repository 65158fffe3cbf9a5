//! Versions and aliases: each change of a function is published as a version, each caller addresses the alias, and
//! deployments are rolled back by alarms on the new version.

use std::collections::BTreeSet;

use countersign::domain::Route;
use serde_json::{Value, json};

use super::{
    alarms::source_texts,
    permissions::texts,
    roles::invocations,
    routes,
    template::{Parameters, Template, root},
};

/// The alias of each function.
const ALIAS: &str = "live";

/// The number of the settings, in the description of each function and each version.
const NUMBER: &str = "settings ${Settings.VersionNumber}";

/// Properties of a function that aren't part of its versions.
const NOT_IN_VERSIONS: [&str; 4] = ["Events", "DeploymentPreference", "Description", "VersionDescription"];

/// The suffix of the alarms on new versions.
const ALARM: &str = "VersionErrors";

/// The suffix of the alarms on new versions that answer senders.
const UNAVAILABLE: &str = "VersionUnavailable";

fn of_all_functions(template: &Template) -> &Value {
    &template.section("Globals")["Function"]
}

/// What a version of any function is made of, as CloudFormation resolves it for given parameters.
fn versions(template: &Template, parameters: &Parameters) -> Value {
    let own = template.functions().map(|function| &function.value["Properties"]);
    let all = own.chain([of_all_functions(template)]).map(|properties| {
        let mut properties = properties.clone();
        for name in NOT_IN_VERSIONS {
            properties.as_object_mut().expect("properties").remove(name);
        }
        template.resolve(&properties, parameters)
    });
    all.collect()
}

/// The settings that have a number.
fn settings(template: &Template, parameters: &Parameters) -> String {
    let content = template.resolve(template.resource("Settings").property("/Content"), parameters);
    content.as_str().expect("a text").to_owned()
}

#[test]
fn every_function_has_the_alias_and_publishes_a_version_if_its_block_or_the_settings_change() {
    let template = Template::read();
    let of_all = of_all_functions(&template);
    assert_eq!(of_all["AutoPublishAlias"], ALIAS);
    // A version that a rollback left would be the same as that of the next attempt, which Lambda doesn't publish twice.
    assert_eq!(of_all["VersionDeletionPolicy"], "Delete");
    for function in template.functions() {
        assert_eq!(function.value["Properties"].get("AutoPublishAlias"), None, "{}", function.id);
        assert_eq!(function.property("/AutoPublishAliasAllProperties"), true, "{}", function.id);
        // In the function's own description too: Lambda publishes no version of a function that hasn't changed.
        assert_eq!(function.property("/VersionDescription/Fn::Sub"), NUMBER, "{}", function.id);
        let description = function.property("/Description/Fn::Sub").as_str().expect("a text");
        assert!(description.ends_with(&format!("({NUMBER})")), "{}", function.id);
    }
}

#[test]
fn a_parameter_that_changes_a_function_changes_the_settings() {
    let template = Template::read();
    let default = (versions(&template, &Parameters::default()), settings(&template, &Parameters::default()));
    let mut changing = 0;
    for (name, parameter) in template.section("Parameters") {
        let allowed = parameter["AllowedValues"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for value in allowed.chain(["changed"]) {
            let parameters = Parameters::default().with(name, value);
            if versions(&template, &parameters) != default.0 {
                assert_ne!(settings(&template, &parameters), default.1, "{name}={value} would publish no version");
                changing += 1;
            }
        }
    }
    assert!(changing > 20, "{changing}");
}

#[test]
fn every_resource_in_an_environment_is_in_the_settings_but_the_api() {
    let template = Template::read();
    let settings = settings(&template, &Parameters::default());
    let values: BTreeSet<&str> = settings.lines().filter_map(|line| Some(line.split_once('=')?.1)).collect();
    let resources = template.section("Resources");
    let mut count = 0;
    for function in template.functions() {
        for (name, value) in template.environment(function.id, &Parameters::default()) {
            let resource = value.split(['.', '/']).next().unwrap_or_default();
            if resources.contains_key(resource) && resource != "Api" {
                assert!(values.contains(value.as_str()), "{}: {name}={value}", function.id);
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count}");
}

/// All references in a value: `X` or `X.attribute`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("Ref", Value::String(name)) => _ = found.insert(name.clone()),
                    ("Fn::GetAtt", path) => _ = found.insert(texts(path).join(".")),
                    ("Fn::Sub", Value::String(text)) => of_text(text, found),
                    ("Fn::Sub", Value::Array(parts)) => {
                        of_text(parts[0].as_str().expect("a text"), found);
                        references(&parts[1], found);
                    }
                    _ => references(value, found),
                }
            }
        }
        _ => {}
    }
}

/// The references in a text for `Fn::Sub`. Those that name an alias are replaced by the alias.
fn of_text(text: &str, found: &mut BTreeSet<String>) {
    for part in text.split("${").skip(1) {
        let (name, rest) = part.split_once('}').expect("a closing brace");
        let has_alias = rest.starts_with(&format!(":{ALIAS}"));
        found.insert(if has_alias { format!("{name}.Alias") } else { name.to_owned() });
    }
}

#[test]
fn everything_that_calls_a_function_addresses_the_alias() {
    let template = Template::read();
    let functions: BTreeSet<&str> = template.functions().map(|function| function.id).collect();
    let mut found = BTreeSet::new();
    let sections = ["Resources", "Outputs"].into_iter().flat_map(|section| template.section(section));
    for (id, value) in sections {
        // Metrics are counted for all versions together. CodeDeploy changes aliases.
        let is_metric = value["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::CloudWatch::"));
        if is_metric || id == "CodeDeployRole" {
            continue;
        }
        let mut names = BTreeSet::new();
        references(value, &mut names);
        for name in names {
            let (function, attribute) = name.split_once('.').unwrap_or((&name, ""));
            if functions.contains(function) {
                assert_eq!(attribute, "Alias", "{id} addresses {name}");
                found.insert(id.as_str());
            }
        }
    }
    assert_eq!(found, ["QuicklysignSubscribeName", "ScheduleRole"].into());
    let output = &template.section("Outputs")["QuicklysignSubscribeName"]["Value"];
    assert_eq!(template.resolve(output, &Parameters::default()), format!("QuicklysignSubscribe:{ALIAS}"));
}

#[test]
fn every_command_in_the_docs_that_calls_a_function_addresses_the_alias() {
    for (page, line) in invocations() {
        // The output has the alias.
        let is_output = ["<QuicklysignSubscribeName>", "\"$QUICKLYSIGN_SUBSCRIBE\""];
        let addresses_alias = line.contains(&format!(" --qualifier {ALIAS} "));
        assert!(addresses_alias || is_output.iter().any(|name| line.contains(name)), "{page}: {line}");
    }
}

#[test]
fn a_deployment_is_rolled_back_by_errors_of_the_new_version_alone() {
    let template = Template::read();
    for function in template.functions() {
        let id = function.id;
        let alarms = alarms_of(id).map(|alarm| json!({"Ref": alarm}));
        assert_eq!(function.property("/DeploymentPreference/Alarms"), &alarms.collect::<Value>());
        let alarm = template.resource(&format!("{id}{ALARM}"));
        let dimensions = json!([
            {"Name": "FunctionName", "Value": {"Ref": id}},
            {"Name": "Resource", "Value": {"Fn::Sub": format!("${{{id}}}:{ALIAS}")}},
            {"Name": "ExecutedVersion", "Value": {"Fn::GetAtt": [id, "Version", "Version"]}},
        ]);
        assert_eq!(alarm.property("/Dimensions"), &dimensions);
        // Another name for each version: an alarm that is changed keeps its state until it is evaluated again.
        for alarm in alarms_of(id) {
            let name = format!("${{AWS::StackName}}-{alarm}-${{{id}.Version.Version}}");
            assert_eq!(template.resource(&alarm).property("/AlarmName/Fn::Sub"), &name);
        }
        assert_eq!((alarm.property("/MetricName"), alarm.property("/Statistic")), (&json!("Errors"), &json!("Sum")));
        assert_eq!((alarm.property("/Threshold"), alarm.property("/Period")), (&json!(1), &json!(60)));
        assert_eq!(alarm.property("/TreatMissingData"), "notBreaching");
    }
}

/// For Lambda, these aren't errors.
#[test]
fn a_deployment_is_rolled_back_by_503_answers_of_the_new_version_of_a_callback_function() {
    let template = Template::read();
    let sources = source_texts();
    for id in Route::ALL.map(routes::function) {
        let filter = template.resource(&format!("{id}VersionFilter"));
        assert_eq!(filter.property("/LogGroupName/Ref"), &format!("{id}Log"));
        let pattern = filter.property("/FilterPattern").as_str().expect("a pattern");
        let codes: Vec<&str> = pattern.split('"').skip(1).step_by(2).collect();
        assert_eq!(codes, ["not_configured", "unavailable"]);
        for code in codes {
            let is_logged = |source: &String| source.contains(&format!("event = \"{code}\""));
            assert!(sources.iter().any(is_logged), "{code}");
        }
        let metric = filter.property("/MetricTransformations/0");
        let alarm = template.resource(&format!("{id}{UNAVAILABLE}"));
        assert_eq!(alarm.property("/MetricName"), &metric["MetricName"]);
        // The keys of a log line.
        let keys = ["service", "function_name", "function_version"];
        let dimensions = keys.map(|key| json!({"Key": key, "Value": format!("$.{key}")}));
        assert_eq!(metric["Dimensions"], json!(dimensions));
        let dimensions = json!([
            {"Name": keys[0], "Value": {"Ref": "AWS::StackName"}},
            {"Name": keys[1], "Value": {"Ref": id}},
            {"Name": keys[2], "Value": {"Fn::GetAtt": [id, "Version", "Version"]}},
        ]);
        assert_eq!(alarm.property("/Dimensions"), &dimensions);
        assert_eq!((alarm.property("/Threshold"), alarm.property("/Period")), (&json!(1), &json!(60)));
        assert_eq!(alarm.property("/TreatMissingData"), "notBreaching");
    }
}

#[test]
fn traffic_is_shifted_as_the_parameter_says_and_in_production_by_a_canary() {
    let template = Template::read();
    let preference = &of_all_functions(&template)["DeploymentPreference"];
    let expected = json!({"Type": {"Ref": "TrafficShifting"}, "Role": {"Fn::GetAtt": ["CodeDeployRole", "Arn"]}});
    assert_eq!(preference, &expected);
    assert_eq!(template.section("Parameters")["TrafficShifting"]["Default"], "AllAtOnce");
    let settings = std::fs::read_to_string(root().join("samconfig.toml")).expect("samconfig.toml");
    let (_, production) = settings.split_once("[production.global.parameters]").expect("production");
    let (_, shifting) = production.split_once("\"TrafficShifting=").expect("a parameter");
    assert!(shifting.starts_with("Canary10Percent"), "{shifting}");
}

#[test]
fn codedeploy_may_shift_the_alias_of_every_function_and_nothing_else() {
    let template = Template::read();
    let statements = template.resource("CodeDeployRole").property("/Policies/0/PolicyDocument/Statement");
    let statements = template.resolve(statements, &Parameters::default());
    let functions: BTreeSet<String> = template.functions().map(|function| format!("{}.Arn*", function.id)).collect();
    assert_eq!(texts(&statements[0]["Resource"]).into_iter().collect::<BTreeSet<_>>(), functions);
    let actions = json!(["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"]);
    assert_eq!(statements[0]["Action"], actions);
    assert_eq!(statements[1]["Action"], "cloudwatch:DescribeAlarms");
    assert_eq!(statements.as_array().map(Vec::len), Some(2));
}

/// The alarms on new versions, which notify no one.
pub fn alarms(template: &Template) -> BTreeSet<String> {
    template.functions().flat_map(|function| alarms_of(function.id)).collect()
}

/// The alarms on new versions of a function.
fn alarms_of(function: &str) -> impl Iterator<Item = String> {
    let answers_senders = Route::ALL.map(routes::function).contains(&function);
    let suffixes = [ALARM].into_iter().chain(answers_senders.then_some(UNAVAILABLE));
    suffixes.map(move |suffix| format!("{function}{suffix}"))
}
