//! Alarms: on existing metrics, of two severities, and one for each cause.

use std::collections::BTreeSet;

use countersign::{
    domain::Provider,
    telemetry::{METRICS, NAMESPACE, SERVICE},
};
use countersign_cli::deployment::template_name;
use serde_json::{Value, json};

use super::{
    template::{Resource, Template, root},
    versions,
};

/// Every alarm, composite ones included.
pub fn all(template: &Template) -> impl Iterator<Item = Resource<'_>> {
    template.resources("AWS::CloudWatch::Alarm").chain(template.resources("AWS::CloudWatch::CompositeAlarm"))
}

/// Metrics without an alarm: they need no action, or another alarm covers them (that on 5xx answers, or on `Proven`).
const WITHOUT_ALARM: [&str; 6] = ["Recorded", "Duplicates", "Refused", "Unavailable", "ArchivedDocuments", "Published"];

/// The metrics of the gateway's access log, and of answers by a function's version.
const OF_LOG_LINES: [&str; 3] = ["ApiTooLarge", "ApiThrottled", "V1BatchVersionFilter"];

#[test]
fn every_metric_that_needs_action_has_an_alarm() {
    let template = Template::read();
    let mut names = BTreeSet::new();
    for alarm in template.resources("AWS::CloudWatch::Alarm") {
        if alarm.property("/Namespace") == NAMESPACE {
            let service = json!({"Name": SERVICE, "Value": {"Ref": "AWS::StackName"}});
            assert_eq!(alarm.property("/Dimensions/0"), &service, "{}", alarm.id);
            names.insert(alarm.property("/MetricName").as_str().expect("a name"));
        }
    }
    let mut expected: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    expected.retain(|name| !WITHOUT_ALARM.contains(name));
    for filter in OF_LOG_LINES {
        let filter = template.resource(filter).property("/MetricTransformations/0");
        assert_eq!(filter["MetricNamespace"], NAMESPACE);
        expected.insert(filter["MetricName"].as_str().expect("a name"));
    }
    assert_eq!(names, expected);
}

#[test]
fn each_service_in_use_can_have_an_alarm_on_silence() {
    let template = Template::read();
    for provider in Provider::ALL {
        let alarm = template.resource(&template_name(&provider.variable("SILENT")));
        assert_eq!(alarm.property("/EvaluationPeriods"), &json!({"Ref": "SilenceHours"}));
        assert_eq!(alarm.property("/TreatMissingData"), "breaching");
        assert_watches_proofs(alarm, provider);
        let condition = alarm.value["Condition"].as_str().expect("a condition");
        let named = &template.section("Conditions")[condition]["Fn::And"][1]["Fn::Not"][0]["Fn::Equals"];
        let split = &named[0]["Fn::Join"][1]["Fn::Split"];
        assert_eq!((&split[0], &named[1]), (&json!(provider.as_str()), &json!({"Ref": "Providers"})));
    }
}

/// A wrong token in a service's URL raises an alarm, however rarely it sends, and a stranger's requests don't while the
/// service's own are proven.
#[test]
fn each_service_has_an_alarm_on_rejections_without_any_proven_callback() {
    let template = Template::read();
    for provider in Provider::ALL {
        let alarm = template.resource(&template_name(&provider.variable("REFUSED")));
        assert_watches_proofs(alarm, provider);
        assert_eq!(alarm.property("/TreatMissingData"), "notBreaching");
    }
}

/// The alarm fires if none of the service's callbacks was proven within a period.
fn assert_watches_proofs(alarm: Resource<'_>, provider: Provider) {
    assert_eq!(alarm.property("/MetricName"), "Proven");
    assert_eq!(alarm.property("/Dimensions/1"), &json!({"Name": "provider", "Value": provider.as_str()}));
    assert_eq!((alarm.property("/Statistic"), alarm.property("/Threshold")), (&json!("Maximum"), &json!(1)));
    assert_eq!(alarm.property("/ComparisonOperator"), "LessThanThreshold");
}

#[test]
fn logged_metrics_are_exactly_the_declared_ones() {
    let logged: BTreeSet<String> = source_texts().iter().flat_map(|source| metrics_in(source)).collect();
    assert_eq!(logged, METRICS.iter().map(|metric| metric.name.to_owned()).collect());
}

/// The fields `metric.<Name>` in a source file.
fn metrics_in(source: &str) -> impl Iterator<Item = String> {
    let fields = source.match_indices("metric.").map(|(start, field)| &source[start + field.len()..]);
    let names = fields.filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    names.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect())
}

/// The source files of the library and the functions, except for the telemetry itself.
pub fn source_texts() -> Vec<String> {
    let mut folders = ["shared/src", "functions"].map(|folder| root().join(folder)).to_vec();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("telemetry") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(&path).expect("source"));
            }
        }
    }
    texts
}

#[test]
fn every_function_has_alarms_on_errors_throttles_and_duration() {
    let template = Template::read();
    for function in template.functions() {
        for (suffix, metric) in [("Errors", "Errors"), ("Throttles", "Throttles"), ("Slow", "Duration")] {
            let alarm = template.resource(&format!("{}{suffix}", function.id));
            assert_eq!(alarm.property("/MetricName"), metric);
            assert_eq!(alarm.property("/Dimensions/0/Value"), &json!({"Ref": function.id}));
        }
        let slow = template.resource(&format!("{}Slow", function.id));
        assert_eq!(slow.property("/ExtendedStatistic"), "p99");
        let timeout = function.property("/Timeout").as_u64().expect("seconds") * 1000;
        let threshold = slow.property("/Threshold").as_u64().expect("milliseconds");
        assert!(threshold < timeout && threshold * 10 >= timeout * 7, "{}: {threshold} of {timeout}", function.id);
    }
}

/// CloudWatch's limits: a day for periods below an hour, else seven days.
#[test]
fn no_alarm_looks_back_further_than_cloudwatch_allows() {
    let template = Template::read();
    for alarm in template.resources("AWS::CloudWatch::Alarm") {
        let period = alarm.property("/Period").as_u64().expect("seconds");
        let periods = match alarm.property("/EvaluationPeriods") {
            Value::Object(parameter) => {
                &template.section("Parameters")[parameter["Ref"].as_str().expect("a name")]["MaxValue"]
            }
            number => number,
        };
        let limit = if period < 3600 { 86_400 } else { 604_800 };
        assert!(period * periods.as_u64().expect("a number") <= limit, "{}", alarm.id);
    }
}

/// The alarms in a composite alarm's rule.
fn parts(composite: Resource<'_>) -> BTreeSet<&str> {
    let rule = composite.property("/AlarmRule/Fn::Sub").as_str().expect("a rule");
    let parts = rule.split(" OR ").map(|part| {
        let name = part.strip_prefix("ALARM(\"${").and_then(|rest| rest.strip_suffix("}\")"));
        name.unwrap_or_else(|| panic!("{}: {part}", composite.id))
    });
    parts.collect()
}

#[test]
fn every_alarm_notifies_one_topic_when_it_fires_and_when_it_is_over_by_itself_or_as_part_of_another() {
    let template = Template::read();
    let composites: Vec<_> = template.resources("AWS::CloudWatch::CompositeAlarm").collect();
    assert!(composites.len() >= 5);
    for composite in &composites {
        assert!(parts(*composite).iter().all(|part| template.resource(part).value["Type"] == "AWS::CloudWatch::Alarm"));
    }
    let topics = ["AlarmTopic", "WarningTopic"].map(|topic| json!([{"Ref": topic}]));
    let of_deployments = versions::alarms(&template);
    for alarm in all(&template) {
        let properties = &alarm.value["Properties"];
        let actions = [&properties["AlarmActions"], &properties["OKActions"]];
        let parents = composites.iter().filter(|composite| parts(**composite).contains(alarm.id)).count();
        match parents {
            // CodeDeploy looks at it. The alarm on the function's errors notifies.
            0 if of_deployments.contains(alarm.id) => assert_eq!(actions, [&Value::Null; 2], "{}", alarm.id),
            0 => assert!(topics.contains(actions[0]) && actions[0] == actions[1], "{}", alarm.id),
            1 => assert_eq!(actions, [&Value::Null; 2], "{} would ring twice", alarm.id),
            _ => panic!("{} is part of several alarms", alarm.id),
        }
    }
}

/// The gateway's alarm on 5xx fires with each of them.
#[test]
fn one_failed_callback_rings_once() {
    let template = Template::read();
    let parts = parts(template.resource("CallbacksFailing"));
    for function in
        template.functions().filter(|function| function.value["Properties"]["Events"]["Callback"].is_object())
    {
        for suffix in ["Errors", "Throttles"] {
            assert!(parts.contains(format!("{}{suffix}", function.id).as_str()), "{}{suffix}", function.id);
        }
    }
    assert!(parts.contains("ApiServerErrors") && parts.contains("SettingsMissing"));
}

/// Its caller gets the error, which may be the caller's own mistake.
#[test]
fn errors_of_quicklysign_subscribe_are_not_urgent() {
    let template = Template::read();
    assert_eq!(template.resource("QuicklysignSubscribeErrors").property("/AlarmActions/0/Ref"), "WarningTopic");
}

/// Anyone can send a large request, or one with a wrong token or path.
#[test]
fn what_a_stranger_can_cause_is_not_urgent() {
    let template = Template::read();
    let rejections = Provider::ALL.map(|provider| template_name(&provider.variable("REFUSED")));
    for alarm in rejections.iter().map(String::as_str).chain(["CallbackTooLarge", "CallbackPathUnknown"]) {
        assert_eq!(template.resource(alarm).property("/AlarmActions/0/Ref"), "WarningTopic", "{alarm}");
    }
}
