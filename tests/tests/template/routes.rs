//! The routes: each calls its function, has its own throttle, and is in the outputs.

use std::collections::BTreeSet;

use countersign::domain::Route;

use super::template::{Parameters, Template};

/// The function of a route.
pub const fn function(route: Route) -> &'static str {
    match route {
        Route::LegalesignBatch => "V1Batch",
        Route::LegalesignRealtime => "V1Realtime",
        Route::Quicklysign => "QuicklysignCallback",
        Route::Signeasy => "SigneasyCallback",
    }
}

#[test]
fn every_route_calls_its_function_and_there_are_no_other_routes() {
    let template = Template::read();
    let mut found = BTreeSet::new();
    for of in template.functions() {
        for event in of.value["Properties"]["Events"].as_object().into_iter().flatten().map(|(_, event)| event) {
            if event["Type"] == "HttpApi" {
                let properties = &event["Properties"];
                assert_eq!(
                    (&properties["Method"], &properties["PayloadFormatVersion"]),
                    (&"POST".into(), &"2.0".into())
                );
                found.insert((properties["Path"].as_str().expect("a path"), of.id));
            }
        }
    }
    let expected: BTreeSet<_> = Route::ALL.into_iter().map(|route| (route.path(), function(route))).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_route_has_its_own_throttle() {
    let template = Template::read();
    let settings = template.resource("Api").property("/RouteSettings").as_object().expect("settings");
    let found: BTreeSet<_> = settings.keys().cloned().collect();
    assert_eq!(found, Route::ALL.map(|route| format!("POST {}", route.path())).into());
}

#[test]
fn the_outputs_contain_every_callback_url() {
    let template = Template::read();
    let outputs = template.section("Outputs").values();
    let found: BTreeSet<_> = outputs
        .map(|output| template.resolve(&output["Value"], &Parameters::default()))
        .filter_map(|value| Some(value.as_str()?.strip_prefix("Api.ApiEndpoint")?.to_owned()))
        .collect();
    assert_eq!(found, Route::ALL.map(|route| route.path().to_owned()).into());
}

#[test]
fn with_a_domain_of_its_own_no_callback_url_has_the_id_of_the_api() {
    let template = Template::read();
    let parameters = Parameters::default().with("DomainName", "callbacks.example.com");
    let outputs = template.section("Outputs").values().map(|output| template.resolve(&output["Value"], &parameters));
    let urls: BTreeSet<_> = outputs
        .filter_map(|value| Some(value.as_str()?.strip_prefix("https://callbacks.example.com")?.to_owned()))
        .collect();
    assert_eq!(urls, Route::ALL.map(|route| route.path().to_owned()).into());
    for function in template.functions() {
        for (name, value) in template.environment(function.id, &parameters) {
            assert!(!value.contains("Api.ApiEndpoint"), "{}: {name}={value}", function.id);
        }
    }
}

#[test]
fn the_access_log_does_not_contain_the_path() {
    let template = Template::read();
    let format = template.resource("Api").property("/AccessLogSettings/Format").to_string();
    assert!(format.contains("$context.routeKey"));
    assert!(!format.contains("$context.path") && !format.contains("$context.domainName"), "{format}");
}
