//! `verify` of several deliveries at once.

use serde_json::{Value, json};

use crate::process::{Data, assert_keys};

#[test]
fn all_or_selected_signed_deliveries_are_verified_at_once() {
    let data = Data::new();
    let none = data.run(&["verify", "--all"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no signed deliveries\n"));
    let _serve = data.serve(&[]);
    let trigger = |arguments: &[&str]| {
        let triggered = data.json(&[&["trigger"], arguments].concat());
        triggered["delivery"].as_str().unwrap().to_owned()
    };
    let signed = ["a", "b"].map(|id| trigger(&["legalesign", "batch", "--id", id]));
    let unsigned = trigger(&["quicklysign", "document_updated"]);

    let all = data.json(&["verify", "--all"]);
    assert_eq!((&all["verified"], &all["failed"]), (&json!(2), &json!(0)));
    let ids = |all: &Value| {
        let deliveries = all["deliveries"].as_array().unwrap().iter();
        deliveries.map(|one| one["delivery"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&all), signed);
    for one in all["deliveries"].as_array().unwrap() {
        assert_keys(one, &["delivery", "received_at", "route", "size", "sha256", "certificate", "problem"]);
        assert_eq!(one["problem"], Value::Null);
        let mut alone = data.json(&["verify", one["delivery"].as_str().unwrap()]);
        alone["problem"] = Value::Null;
        assert_eq!(*one, alone);
    }
    assert_eq!(ids(&data.json(&["verify", "--provider", "legalesign"])), signed);
    assert_eq!(ids(&data.json(&["verify", "--provider", "quicklysign"])), [""; 0]);
    let yesterday = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).to_string();
    for since in [yesterday.as_str(), "2001-01-01T00:00:00Z"] {
        assert_eq!(ids(&data.json(&["verify", "--since", since])), signed, "{since}");
    }
    assert_eq!(ids(&data.json(&["verify", "--since", "2101-01-01T00:00:00Z", "--provider", "legalesign"])), [""; 0]);
    let [first, second] = &signed;
    assert_eq!(ids(&data.json(&["verify", second, first])), [second.clone(), first.clone()]);

    let unknown = "0190b6c8-0000-7000-8000-000000000000";
    let some = data.run(&["verify", first, &unsigned, unknown, "--json"]);
    let json = some.json();
    assert_eq!((some.code, &json["verified"], &json["failed"]), (Some(1), &json!(1), &json!(2)), "{json:#}");
    let problems: Vec<&Value> = json["deliveries"].as_array().unwrap().iter().map(|one| &one["problem"]).collect();
    assert_eq!(problems, [&Value::Null, &json!("not_signed"), &json!("not_found")]);
    assert_keys(&json["deliveries"][1], &["delivery", "problem", "message"]);
    let table = data.run(&["verify", first, &unsigned]);
    assert!(table.code == Some(1) && table.stderr.is_empty(), "{table:?}");
    for word in ["┌", " ok ", "not_signed", "1 verified, 1 failed\n"] {
        assert!(table.stdout.contains(word), "{word} is missing:\n{}", table.stdout);
    }
}
