//! The dashboard and the saved queries: on metrics, functions and log lines that exist.

use std::collections::BTreeSet;

use countersign::telemetry::{METRICS, NAMESPACE};
use serde_json::Value;

use super::{
    alarms::source_texts,
    template::{Parameters, Template},
};

/// The dashboard's metrics: each a list of namespace, name, dimensions and options, or of a calculation.
fn metrics(template: &Template) -> Vec<Vec<Value>> {
    let body = template.resolve(template.resource("Dashboard").property("/DashboardBody"), &Parameters::default());
    let body: Value = serde_json::from_str(body.as_str().expect("a text")).expect("JSON");
    let widgets = body["widgets"].as_array().expect("widgets");
    let lists = widgets.iter().map(|widget| widget["properties"]["metrics"].as_array().expect("metrics"));
    lists.flatten().map(|metric| metric.as_array().expect("a list").clone()).collect()
}

#[test]
fn the_dashboard_shows_only_metrics_that_are_logged() {
    let declared: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let own: Vec<_> = metrics(&Template::read()).into_iter().filter(|metric| metric[0] == NAMESPACE).collect();
    assert!(own.len() > 10, "{own:?}");
    for metric in own {
        assert!(declared.contains(metric[1].as_str().expect("a name")), "{metric:?}");
    }
}

#[test]
fn the_dashboard_has_the_errors_and_the_cost_of_each_function() {
    let template = Template::read();
    let metrics = metrics(&template);
    let cost = metrics.iter().find(|metric| metric[0]["id"] == "lambda").expect("the cost of Lambda");
    let cost = cost[0]["expression"].as_str().expect("a calculation");
    for function in template.functions() {
        let of =
            |name: &str| metrics.iter().find(|metric| metric.get(1) == Some(&name.into()) && metric[3] == function.id);
        assert!(of("Errors").is_some() && of("Invocations").is_some(), "{}", function.id);
        let duration = of("Duration").expect("a duration")[4]["id"].as_str().expect("an id").to_owned();
        let memory = function.property("/MemorySize");
        assert!(cost.contains(&format!("{memory}*{duration}")), "{}: {cost}", function.id);
    }
}

#[test]
fn saved_queries_search_all_functions_for_errors_and_only_for_codes_that_are_logged() {
    let template = Template::read();
    let groups = template.resource("ErrorQuery").property("/LogGroupNames").as_array().expect("log groups");
    for function in template.functions() {
        assert!(groups.contains(function.property("/LoggingConfig/LogGroup")), "{}", function.id);
    }
    let sources = source_texts();
    for query in template.resources("AWS::Logs::QueryDefinition") {
        let text = query.property("/QueryString").as_str().expect("a query");
        for line in text.lines().filter(|line| line.contains("message")) {
            for code in line.split('"').skip(1).step_by(2).filter(|code| *code != "ERROR") {
                let logged = format!("event = \"{code}\"");
                assert!(sources.iter().any(|source| source.contains(&logged)), "{}: {code}", query.id);
            }
        }
    }
}
