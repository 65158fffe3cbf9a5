//! Alarms: on existing metrics, to the topic, and explained in `docs/deploy.md`.

use std::collections::BTreeSet;

use countersign::{
    domain::Provider,
    telemetry::{METRICS, NAMESPACE, SERVICE},
};
use countersign_cli::deployment::template_name;
use serde_json::{Value, json};

use super::template::{Resource, Template, root};

fn alarms(template: &Template) -> Vec<Resource<'_>> {
    template.resources("AWS::CloudWatch::Alarm").collect()
}

/// Metrics without an alarm: they need no action, or the gateway's alarm on 5xx answers covers them.
const WITHOUT_ALARM: [&str; 3] = ["Unavailable", "ArchivedDocuments", "Published"];

/// The metrics of the gateway's access log.
const OF_THE_GATEWAY: [&str; 2] = ["ApiTooLarge", "ApiThrottled"];

/// The metrics that an alarm watches: one, or those of a calculation. Each has `Namespace`, `MetricName`, `Dimensions`.
fn watched(alarm: Resource<'_>) -> Vec<&Value> {
    let properties = &alarm.value["Properties"];
    match properties["Metrics"].as_array() {
        Some(metrics) => metrics.iter().filter_map(|metric| metric.pointer("/MetricStat/Metric")).collect(),
        None => vec![properties],
    }
}

#[test]
fn every_metric_that_needs_action_has_an_alarm() {
    let template = Template::read();
    let mut names = BTreeSet::new();
    for alarm in alarms(&template) {
        for metric in watched(alarm).into_iter().filter(|metric| metric["Namespace"] == NAMESPACE) {
            let service = json!({"Name": SERVICE, "Value": {"Ref": "AWS::StackName"}});
            assert_eq!(metric["Dimensions"][0], service, "{}", alarm.id);
            names.insert(metric["MetricName"].as_str().expect("a name"));
        }
    }
    let mut expected: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    expected.retain(|name| !WITHOUT_ALARM.contains(name));
    for filter in OF_THE_GATEWAY {
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
        for metric in watched(alarm) {
            assert_eq!(metric["Dimensions"][1], json!({"Name": "provider", "Value": provider.as_str()}));
        }
        let condition = alarm.value["Condition"].as_str().expect("a condition");
        let named = &template.section("Conditions")[condition]["Fn::And"][1]["Fn::Not"][0]["Fn::Equals"];
        let split = &named[0]["Fn::Join"][1]["Fn::Split"];
        assert_eq!((&split[0], &named[1]), (&json!(provider.as_str()), &json!({"Ref": "Providers"})));
    }
}

/// A wrong token in a service's URL is heard of, however rarely it sends, and a stranger's requests don't ring while the
/// service's own are accepted.
#[test]
fn each_service_has_an_alarm_on_rejections_without_any_acceptance() {
    let template = Template::read();
    for provider in Provider::ALL {
        let alarm = template.resource(&template_name(&provider.variable("REFUSED")));
        let metrics = watched(alarm);
        let names: Vec<_> = metrics.iter().map(|metric| metric["MetricName"].as_str().expect("a name")).collect();
        assert_eq!(names, ["Refused", "Recorded", "Duplicates", "SetAside"]);
        for metric in metrics {
            assert_eq!(metric["Dimensions"][1], json!({"Name": "provider", "Value": provider.as_str()}));
        }
        let metrics = alarm.property("/Metrics").as_array().expect("metrics");
        let expression = metrics[0]["Expression"].as_str().expect("a calculation");
        for metric in &metrics[1..] {
            assert!(expression.contains(metric["Id"].as_str().expect("an id")), "{expression}");
        }
    }
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

#[test]
fn every_alarm_notifies_the_topic_and_is_explained_in_the_docs() {
    let template = Template::read();
    let alarms = alarms(&template);
    assert!(alarms.len() > 25);
    let explained = std::fs::read_to_string(root().join("docs/deploy.md")).expect("docs/deploy.md");
    for alarm in alarms {
        for actions in ["/AlarmActions", "/OKActions"] {
            assert_eq!(alarm.property(actions), &json!([{"Ref": "AlarmTopic"}]), "{}", alarm.id);
        }
        alarm.property("/TreatMissingData");
        // `V1BatchErrors` is explained as one of `…Errors`.
        let of_function = template.functions().find_map(|function| alarm.id.strip_prefix(function.id));
        let name = of_function.map_or_else(|| alarm.id.to_owned(), |suffix| format!("…{suffix}"));
        assert!(explained.contains(&format!("`{name}`")), "docs/deploy.md doesn't explain {name}");
    }
}
