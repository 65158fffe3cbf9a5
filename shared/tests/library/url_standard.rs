//! The URL standard's own test data against the URL policy (its source: `tests/data/url/README.md`).
//!
//! The data contains the expected result of parsing each URL, so the policy is compared with the standard and not with the
//! `url` crate. Each URL is tried with its own host allowed, so that the list of hosts doesn't decide.

use countersign::outbound::{HostPatterns, UrlPolicy};
use http::Uri;
use serde_json::Value;
use url::Url;

struct Case {
    input: String,
    base: Option<String>,
    /// The URL according to the standard; `None` if the input isn't a URL.
    href: Option<String>,
}

fn cases() -> Vec<Case> {
    let data: Vec<Value> = serde_json::from_str(include_str!("../data/url/urltestdata.json")).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let case = |value: &Value| {
        let input = text(value.get("input")?)?;
        Some(Case { input, base: text(&value["base"]), href: text(&value["href"]) })
    };
    data.iter().filter_map(case).collect()
}

/// A policy under the deployed rules that allows the host of this URL.
fn policy_for(href: Option<&str>) -> UrlPolicy {
    let url = href.and_then(|href| Url::parse(href).ok());
    UrlPolicy::new(url.map(|url| HostPatterns::only_host_of(&url)).unwrap_or_default(), false)
}

/// Checks an accepted URL.
fn check(policy: &UrlPolicy, accepted: &Url, case: &Case) {
    let Case { input, href, .. } = case;
    assert_eq!(Some(accepted.as_str()), href.as_deref(), "{input:?}");
    assert_eq!((accepted.scheme(), accepted.port_or_known_default()), ("https", Some(443)), "{input:?}");
    assert_eq!((accepted.username(), accepted.password()), ("", None), "{input:?}");
    let host = accepted.host_str().unwrap();
    assert!(!host.contains(['@', ':', '/', '%']), "{input:?}");
    assert_eq!(policy.parse(accepted.as_str()).as_ref(), Ok(accepted), "{input:?}: accepted again in its written form");
    // The HTTP library has its own parser, which must read the same URL or reject it.
    if let Ok(uri) = accepted.as_str().parse::<Uri>() {
        assert_eq!((uri.host(), uri.port_u16(), uri.scheme_str()), (Some(host), None, Some("https")), "{input:?}");
        let query = accepted.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path_and_query = format!("{}{query}", accepted.path());
        assert_eq!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), Some(path_and_query.as_str()));
    }
}

#[test]
fn accepted_urls_are_parsed_as_the_standard_says() {
    let cases = cases();
    assert!(cases.len() > 800, "{}", cases.len());
    let mut accepted = 0;
    for case in &cases {
        let policy = policy_for(case.href.as_deref());
        if let Ok(url) = policy.parse(&case.input) {
            // An absolute URL doesn't depend on the base.
            check(&policy, &url, case);
            accepted += 1;
        }
        if case.href.as_deref().is_none_or(|href| !href.starts_with("https://")) {
            assert!(policy.parse(&case.input).is_err(), "{:?}", case.input);
        }
    }
    assert!(accepted > 5, "only {accepted}: too few for this test");
}

#[test]
fn accepted_redirects_resolve_as_the_standard_says() {
    let mut followed = 0;
    for case in cases() {
        let Some(Ok(base)) = case.base.as_deref().map(Url::parse) else { continue };
        let policy = policy_for(case.href.as_deref());
        if let Ok(url) = policy.redirect(&base, case.input.as_bytes()) {
            check(&policy, &url, &case);
            followed += 1;
        }
    }
    assert!(followed > 0, "only {followed}: too few for this test");
}

#[test]
fn no_url_of_the_standard_reaches_a_host_that_is_not_on_the_list() {
    let hosts = HostPatterns::parse("files.example,*.store.example").unwrap();
    let from = Url::parse("https://files.example/a/b").unwrap();
    for insecure in [false, true] {
        let policy = UrlPolicy::new(hosts.clone(), insecure);
        for case in cases() {
            assert!(policy.parse(&case.input).is_err(), "{:?}", case.input);
            if let Ok(url) = policy.redirect(&from, case.input.as_bytes()) {
                assert_eq!(url.host_str(), Some("files.example"), "{:?}", case.input);
            }
        }
    }
}
