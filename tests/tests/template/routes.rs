//! The routes: each calls its function, has its own throttle, and is in the outputs.

use std::collections::BTreeSet;

use countersign::domain::Route;
use countersign_cli::stack::gateway::Matched;
use http::Method;

use super::template::{Parameters, Template};

/// The function of a route.
pub const fn function(route: Route) -> &'static str {
    match route {
        Route::DropboxSign => "DropboxSignCallback",
        Route::LegalesignBatch => "V1Batch",
        Route::LegalesignRealtime => "V1Realtime",
        Route::Quicklysign => "QuicklysignCallback",
        Route::Signeasy => "SigneasyCallback",
    }
}

/// The key of the route that catches everything below `/callbacks/` that no other route matches.
const FALLBACK: &str = "ANY /callbacks/{path+}";

/// The keys of a callback's routes.
fn keys(route: Route) -> [String; 2] {
    [format!("POST {}", route.path()), format!("POST {}", route.any_path())]
}

#[test]
fn every_route_calls_its_function_and_there_are_no_other_routes() {
    let template = Template::read();
    let mut found = BTreeSet::new();
    for of in template.functions() {
        for event in of.value["Properties"]["Events"].as_object().into_iter().flatten().map(|(_, event)| event) {
            if event["Type"] == "HttpApi" {
                let properties = &event["Properties"];
                assert_eq!(properties["PayloadFormatVersion"], "2.0");
                let text = |name: &str| properties[name].as_str().expect("a text");
                found.insert((format!("{} {}", text("Method"), text("Path")), of.id));
            }
        }
    }
    let of_callbacks = Route::ALL.into_iter().flat_map(|route| keys(route).map(|key| (key, function(route))));
    let expected = of_callbacks.chain([(FALLBACK.to_owned(), function(Matched::FALLBACK))]);
    assert_eq!(found, expected.collect());
}

#[test]
fn the_local_gateway_has_the_same_routes() {
    let key = |method: &Method, path: &str| Matched::of(method, path).map(|matched| (matched.key, matched.route));
    for route in Route::ALL {
        let [callback, below] = keys(route);
        let path = route.path().replace("{token}", "a-token");
        assert_eq!(key(&Method::POST, &path), Some((callback, route)));
        assert_eq!(key(&Method::POST, &format!("{path}/")), Some((below, route)));
        assert_eq!(key(&Method::GET, &path), Some((FALLBACK.to_owned(), Matched::FALLBACK)));
    }
    assert_eq!(key(&Method::POST, "/callbacks/another/a-token"), Some((FALLBACK.to_owned(), Matched::FALLBACK)));
    assert_eq!(key(&Method::POST, "/another"), None);
}

#[test]
fn every_route_has_its_own_throttle() {
    let template = Template::read();
    let settings = template.resource("Api").property("/RouteSettings").as_object().expect("settings");
    let found: BTreeSet<_> = settings.keys().cloned().collect();
    let expected = Route::ALL.into_iter().flat_map(keys).chain([FALLBACK.to_owned()]);
    assert_eq!(found, expected.collect());
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
