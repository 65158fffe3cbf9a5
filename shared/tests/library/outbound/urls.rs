//! The first check: URLs as a compromised or careless API might send them.

use super::server::policy;
use countersign::outbound::{AddressRule, HostPatterns, Refused, UrlPolicy};
use proptest::prelude::*;
use url::Url;

const HOSTS: &str = "files.example,*.store.example,93.184.216.34,[2606:4700::1111],127.0.0.1,169.254.169.254,localhost";

fn code(result: Result<Url, Refused>) -> &'static str {
    result.map_or_else(|refused| refused.code(), |_| "ok")
}

/// URLs and the expected codes under the deployed rules. The list of hosts even names addresses that are never allowed.
const HOSTILE: &[(&str, &str)] = &[
    // Schemes.
    ("http://files.example/a.pdf", "not_https"),
    ("HTTP://files.example/a.pdf", "not_https"),
    ("ftp://files.example/a.pdf", "not_https"),
    ("ws://files.example/", "not_https"),
    ("file:///etc/passwd", "not_https"),
    ("file://files.example/etc/passwd", "not_https"),
    ("gopher://files.example:443/_x", "not_https"),
    ("data:application/pdf;base64,JVBERi0=", "not_https"),
    ("javascript:alert(1)", "not_https"),
    ("jar:https://files.example/a.jar!/b", "not_https"),
    ("view-source:https://files.example/", "not_https"),
    // Shapes that the URL standard repairs.
    ("", "malformed_url"),
    ("files.example/a.pdf", "malformed_url"),
    ("//files.example/a.pdf", "malformed_url"),
    ("/a.pdf", "malformed_url"),
    ("https:files.example/a.pdf", "malformed_url"),
    ("https:/files.example/a.pdf", "malformed_url"),
    ("https:///files.example/a.pdf", "malformed_url"),
    ("https://", "malformed_url"),
    ("https:///", "malformed_url"),
    ("https://?a", "malformed_url"),
    ("https:\\\\files.example\\a.pdf", "malformed_url"),
    ("https://files.example\\.evil.example/", "malformed_url"),
    ("https://evil.example\\@files.example/", "malformed_url"),
    ("https://files.example/\\evil.example", "malformed_url"),
    (" https://files.example/a.pdf", "malformed_url"),
    ("https://files.example/a.pdf\n", "malformed_url"),
    ("ht\ntps://files.example/a.pdf", "malformed_url"),
    ("https://files.exa\tmple/a.pdf", "malformed_url"),
    ("https://files.example/a\r\nHost: evil.example", "malformed_url"),
    ("https://files.example/\0a.pdf", "malformed_url"),
    ("https://files.example/\u{85}a.pdf", "malformed_url"),
    ("https://files .example/a.pdf", "malformed_url"),
    ("https://[::1/a.pdf", "malformed_url"),
    ("https://[fe80::1%25eth0]/", "malformed_url"),
    ("https://files.example:99999/", "malformed_url"),
    ("https://files.example:443x/", "malformed_url"),
    // User info: the part before the @ is not the host.
    ("https://files.example@evil.example/", "user_info_not_allowed"),
    ("https://files.example:443@evil.example/", "user_info_not_allowed"),
    ("https://user:secret@files.example/", "user_info_not_allowed"),
    ("https://@files.example/", "user_info_not_allowed"),
    ("https://:@files.example/", "user_info_not_allowed"),
    ("https://evil.example#@files.example/", "host_not_allowed"),
    ("https://evil.example?@files.example/", "host_not_allowed"),
    ("https://evil.example/@files.example/", "host_not_allowed"),
    // Ports.
    ("https://files.example:80/", "port_not_allowed"),
    ("https://files.example:8443/", "port_not_allowed"),
    ("https://files.example:22/", "port_not_allowed"),
    ("https://files.example:0/", "port_not_allowed"),
    // Addresses, in every notation that the URL standard knows.
    ("https://127.0.0.1/", "address_not_public"),
    ("https://127.1/", "address_not_public"),
    ("https://127.0.1/", "address_not_public"),
    ("https://2130706433/", "address_not_public"),
    ("https://017700000001/", "address_not_public"),
    ("https://0177.0.0.1/", "address_not_public"),
    ("https://0x7f000001/", "address_not_public"),
    ("https://0x7f.0x0.0x0.0x1/", "address_not_public"),
    ("https://0X7F.1/", "address_not_public"),
    ("https://127.0.0.1./", "address_not_public"),
    ("https://0/", "address_not_public"),
    ("https://0.0.0.0/", "address_not_public"),
    ("https://10.0.0.1/", "address_not_public"),
    ("https://172.16.0.1/", "address_not_public"),
    ("https://192.168.1.1/", "address_not_public"),
    ("https://100.64.0.1/", "address_not_public"),
    ("https://169.254.169.254/latest/meta-data/", "address_not_public"),
    ("https://2852039166/latest/meta-data/", "address_not_public"),
    ("https://0xa9fea9fe/", "address_not_public"),
    ("https://0251.0376.0251.0376/", "address_not_public"),
    ("https://255.255.255.255/", "address_not_public"),
    ("https://[::1]/", "address_not_public"),
    ("https://[::]/", "address_not_public"),
    ("https://[0:0:0:0:0:0:0:1]/", "address_not_public"),
    ("https://[::ffff:127.0.0.1]/", "address_not_public"),
    ("https://[::ffff:a9fe:a9fe]/", "address_not_public"),
    ("https://[::127.0.0.1]/", "address_not_public"),
    ("https://[64:ff9b::a9fe:a9fe]/", "address_not_public"),
    ("https://[2002:7f00:1::]/", "address_not_public"),
    ("https://[fd00:ec2::254]/", "address_not_public"),
    ("https://[fe80::1]/", "address_not_public"),
    ("https://93.184.216.35/", "host_not_allowed"),
    ("https://1572395043/", "host_not_allowed"),
    ("https://[2606:4700::1112]/", "host_not_allowed"),
    ("https://256.0.0.1/", "malformed_url"),
    ("https://1.2.3.4.5/", "malformed_url"),
    ("https://0x1ffffffff/", "malformed_url"),
    // Digits, dots and letters that only look like ASCII.
    ("https://１２７.0.0.1/", "malformed_url"),
    ("https://①②⑦.⓪.⓪.①/", "malformed_url"),
    ("https://127。0。0。1/", "malformed_url"),
    ("https://files。example/", "malformed_url"),
    ("https://files．example/", "malformed_url"),
    ("https://ｆiles.example/", "malformed_url"),
    ("https://fıles.example/", "malformed_url"),
    ("https://files\u{ad}.example/", "malformed_url"),
    ("https://files.example\u{200b}/", "malformed_url"),
    ("https://evil.example\u{ff0f}.store.example/", "malformed_url"),
    ("https://files%2eexample/", "malformed_url"),
    ("https://files.example%00.evil.example/", "malformed_url"),
    ("https://%31%32%37.0.0.1/", "malformed_url"),
    ("https://xn--fles-4pa.example/", "host_not_allowed"),
    // Names that are not on the list.
    ("https://localhost./", "malformed_url"),
    ("https://evil.example/", "host_not_allowed"),
    ("https://example/", "host_not_allowed"),
    ("https://files.example.evil.example/", "host_not_allowed"),
    ("https://evilfiles.example/", "host_not_allowed"),
    ("https://a.files.example/", "host_not_allowed"),
    ("https://store.example/", "host_not_allowed"),
    ("https://evilstore.example/", "host_not_allowed"),
    ("https://a.store.example.evil.example/", "host_not_allowed"),
    ("https://a-store.example/", "host_not_allowed"),
    ("https://metadata.google.internal/", "host_not_allowed"),
    // Dots at either end and in a row.
    ("https://files.example./", "malformed_url"),
    ("https://a.store.example./", "malformed_url"),
    ("https://.store.example/", "malformed_url"),
    ("https://..store.example/", "malformed_url"),
    ("https://a..store.example/", "malformed_url"),
    ("https://./", "malformed_url"),
];

#[test]
fn hostile_urls_are_rejected_with_their_reasons() {
    let policy = policy(HOSTS, false);
    let mut wrong = Vec::new();
    for &(url, expected) in HOSTILE {
        let got = code(policy.parse(url));
        if got != expected {
            wrong.push(format!("{url:?}: {got}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The client checks parsed URLs again before each request. Parsing repairs some URLs; the others stay rejected.
#[test]
fn hostile_urls_are_rejected_after_parsing_unless_parsing_repairs_them() {
    let policy = policy(HOSTS, false);
    for &(text, _) in HOSTILE {
        let Ok(url) = Url::parse(text) else { continue };
        if policy.check(&url).is_ok() {
            let valid = ["files.example", "93.184.216.34"];
            assert!(valid.contains(&url.host_str().unwrap()), "{text:?}");
            assert_eq!((url.scheme(), url.port(), url.username()), ("https", None, ""), "{text:?}");
        }
    }
}

#[test]
fn valid_urls_are_accepted() {
    let policy = policy(HOSTS, false);
    for url in [
        "https://files.example",
        "https://files.example/a.pdf",
        "HTTPS://Files.EXAMPLE/a.pdf",
        "https://files.example:443/a.pdf",
        "https://files.example:/a.pdf",
        "https://files.example/a b/Übersicht.pdf?name=a b&c=\"d\"#page=2",
        "https://files.example/a.pdf?url=https://evil.example/&x=\\",
        "https://files.example/a@b:c.pdf",
        "https://files.example/%2e%2e/a.pdf",
        "https://a.store.example/",
        "https://b.a.store.example/",
        "https://xn--bcher-kva.store.example/",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
        "https://[2606:4700:0:0:0:0:0:1111]/",
    ] {
        assert_eq!(code(policy.parse(url)), "ok", "{url}");
    }
}

#[test]
fn overlong_urls_and_hosts_are_rejected() {
    let policy = policy("*.store.example", false);
    let long = |host: usize, path: usize| {
        let host = "a.".repeat(host / 2);
        code(policy.parse(&format!("https://{host}store.example/{}", "p".repeat(path))))
    };
    assert_eq!(long(100, 8_000), "ok");
    assert_eq!(long(100, 20_000), "malformed_url");
    assert_eq!(long(260, 0), "malformed_url");
}

#[test]
fn insecure_mode_additionally_allows_http_ports_and_loopback_only() {
    let policy = policy("files.example,127.0.0.1,[::1],10.0.0.1,169.254.169.254,localhost", true);
    for url in [
        "http://files.example/",
        "http://files.example:8080/",
        "https://files.example:8443/",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000/",
        "http://localhost:3000/",
    ] {
        assert_eq!(code(policy.parse(url)), "ok", "{url}");
    }
    for (url, expected) in [
        ("ftp://files.example/", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("http://127.0.0.2:3000/", "host_not_allowed"),
        ("http://evil.example/", "host_not_allowed"),
        ("http://user@127.0.0.1/", "user_info_not_allowed"),
        ("http://10.0.0.1/", "address_not_public"),
        ("http://169.254.169.254/", "address_not_public"),
        ("http://[::ffff:127.0.0.1]/", "address_not_public"),
        ("http://0.0.0.0/", "address_not_public"),
        ("http:127.0.0.1/", "malformed_url"),
        ("http://127.0.0.1\\@evil.example/", "malformed_url"),
    ] {
        assert_eq!(code(policy.parse(url)), expected, "{url}");
    }
}

/// A function in a container reaches the local stack at the address of Docker's bridge.
#[test]
fn private_networks_are_admitted_with_loopback_and_nothing_else() {
    let hosts = HostPatterns::parse("files.example,127.0.0.1,172.17.0.1,169.254.169.254,[fd00::1]").unwrap();
    let policy = UrlPolicy::new(hosts, AddressRule::PublicOrPrivate);
    for url in ["http://172.17.0.1:3000/", "http://127.0.0.1:3000/", "http://files.example:8080/"] {
        assert_eq!(code(policy.parse(url)), "ok", "{url}");
    }
    for (url, expected) in [
        ("http://172.17.0.2/", "host_not_allowed"),
        ("http://user@172.17.0.1/", "user_info_not_allowed"),
        ("http://169.254.169.254/", "address_not_public"),
        ("http://[fd00::1]/", "address_not_public"),
        ("http://[::ffff:172.17.0.1]/", "address_not_public"),
        ("ftp://172.17.0.1/", "not_https"),
    ] {
        assert_eq!(code(policy.parse(url)), expected, "{url}");
    }
}

#[test]
fn redirect_targets_are_checked_like_first_urls() {
    let policy = policy(HOSTS, false);
    let from = Url::parse("https://files.example/pdf/1?token=t").unwrap();
    for (location, expected) in [
        // References to the same host, and to another allowed one.
        ("/b.pdf", "ok"),
        ("b.pdf", "ok"),
        ("../b c.pdf?x=1", "ok"),
        ("?page=2", "ok"),
        ("./Übersicht.pdf", "ok"),
        ("//a.store.example/b.pdf", "ok"),
        ("https://a.store.example/b.pdf", "ok"),
        // References to other places.
        ("//evil.example/b.pdf", "host_not_allowed"),
        ("//evil.example:8080/b.pdf", "port_not_allowed"),
        ("//user@files.example/b.pdf", "user_info_not_allowed"),
        ("//@files.example/b.pdf", "user_info_not_allowed"),
        ("//127.1/b.pdf", "address_not_public"),
        ("//files。example/b.pdf", "malformed_url"),
        ("///evil.example/b.pdf", "malformed_url"),
        ("////evil.example/b.pdf", "malformed_url"),
        ("/\\evil.example/b.pdf", "malformed_url"),
        ("\\\\evil.example\\b.pdf", "malformed_url"),
        ("/\t/evil.example/b.pdf", "malformed_url"),
        ("https://169.254.169.254/latest/", "address_not_public"),
        ("https://evil.example/", "host_not_allowed"),
        ("http://files.example/b.pdf", "not_https"),
        ("https:b.pdf", "malformed_url"),
        ("https:evil.example", "malformed_url"),
        ("http:evil.example", "not_https"),
        ("javascript:alert(1)", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("https://", "malformed_url"),
    ] {
        assert_eq!(code(policy.redirect(&from, location.as_bytes())), expected, "{location:?}");
    }
    assert_eq!(code(policy.redirect(&from, b"/M\xfcller.pdf")), "malformed_url");
}

#[test]
fn an_apis_policy_allows_its_own_host_only() {
    let (policy, base) = UrlPolicy::only_host_of("https://eu-api.legalesign.com/api/v1/", false).unwrap();
    assert_eq!(base.as_str(), "https://eu-api.legalesign.com/api/v1/");
    assert_eq!(code(policy.parse("https://eu-api.legalesign.com/api/v1/pdf/1/")), "ok");
    assert_eq!(code(policy.parse("https://legalesign.com/")), "host_not_allowed");
    assert_eq!(code(policy.parse("https://a.eu-api.legalesign.com/")), "host_not_allowed");

    let base = |base, insecure| code(UrlPolicy::only_host_of(base, insecure).map(|(_, url)| url));
    assert_eq!(base("http://api.example/", false), "not_https");
    assert_eq!(base("https://api.example:8443/", false), "port_not_allowed");
    assert_eq!(base("https://key@api.example/", false), "user_info_not_allowed");
    assert_eq!(base("https://127.0.0.1/", false), "address_not_public");
    assert_eq!(base("api.example", false), "malformed_url");
    assert_eq!(base("mailto:a@api.example", false), "not_https");
    assert_eq!(base("http://127.0.0.1:3000", true), "ok");
}

#[test]
fn a_rejected_url_is_reported_by_its_host_only() {
    let refused = policy(HOSTS, false).parse("https://evil.example/secret-path?token=secret-query").unwrap_err();
    assert_eq!(refused.host(), Some("evil.example"));
    assert_eq!(refused.to_string(), "the host evil.example is not allowed");
    assert!(!format!("{refused:?}").contains("secret"));

    let refused = policy(HOSTS, false).parse("https://secret-user:secret-pass@files.example/").unwrap_err();
    assert_eq!(refused.host(), Some("files.example"));
    assert!(!format!("{refused:?} {refused}").contains("secret"));
}

proptest! {
    /// Whatever text surrounds a name of the list, an accepted URL has a host on the list, and the HTTP library, which has
    /// its own parser, reads the same host.
    #[test]
    fn accepted_urls_have_a_host_on_the_list(before in "[a-z0-9.@:/\\\\%#?\\[\\]。\\t -]{0,6}", after in "[a-z0-9.@:/\\\\%#?\\[\\]。\\t -]{0,6}", slashes in "/{0,4}") {
        for name in ["files.example", "a.store.example", "127.0.0.1"] {
            let text = format!("https:{slashes}{before}{name}{after}");
            let Ok(url) = policy(HOSTS, false).parse(&text) else { continue };
            let host = url.host_str().unwrap();
            prop_assert!(["files.example", "93.184.216.34", "[2606:4700::1111]"].contains(&host) || host.ends_with(".store.example"), "{text:?}");
            prop_assert_eq!((url.scheme(), url.port(), url.username(), url.password()), ("https", None, "", None));
            let uri: http::Uri = url.as_str().parse().unwrap();
            prop_assert_eq!(uri.host(), Some(host));
        }
    }

    /// No text makes the parser panic, absolute or as a redirect.
    #[test]
    fn random_texts_are_rejected_without_panicking(text in ".{0,60}") {
        let from = Url::parse("https://files.example/a").unwrap();
        if let Ok(url) = policy(HOSTS, false).redirect(&from, text.as_bytes()) {
            prop_assert!(policy(HOSTS, false).check(&url).is_ok());
        }
        prop_assert!(policy(HOSTS, false).parse(&text).is_err());
    }
}
