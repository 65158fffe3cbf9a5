//! The second check: the addresses that a name resolves to, at the time of connecting.

use super::server::{Names, PATIENT, Server, client, fetch, fetch_code, reply};
use aws_smithy_runtime_api::client::dns::ResolveDns;
use countersign::outbound::{AddressRule, GuardedResolver, OutboundError, SystemResolver};
use std::net::IpAddr;

async fn resolve(resolver: &impl ResolveDns, name: &str) -> Result<Vec<String>, String> {
    let addresses = resolver.resolve_dns(name).await;
    let text = |addresses: Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect();
    addresses.map(text).map_err(|error| std::error::Error::source(&error).unwrap().to_string())
}

const REFUSED: &str = "the name resolves to no public address";

#[tokio::test]
async fn only_public_addresses_are_passed_on() {
    let names = Names::default()
        .with("public.example", &[&["93.184.216.34", "2606:4700::1111"]])
        .with("mixed.example", &[&["10.0.0.1", "93.184.216.34", "::1", "169.254.169.254", "fd00::1", "2003::1"]])
        .with("private.example", &[&["10.0.0.1", "192.168.0.1", "fe80::1"]])
        .with("nothing.example", &[&[]]);
    let guarded = GuardedResolver::new(names, AddressRule::Public);
    let list = |addresses: &[&str]| Ok(addresses.iter().map(ToString::to_string).collect());
    assert_eq!(resolve(&guarded, "public.example").await, list(&["93.184.216.34", "2606:4700::1111"]));
    assert_eq!(resolve(&guarded, "mixed.example").await, list(&["93.184.216.34", "2003::1"]));
    assert_eq!(resolve(&guarded, "private.example").await, Err(REFUSED.to_owned()));
    // Loopback, the test resolver's default answer.
    assert_eq!(resolve(&guarded, "loopback.example").await, Err(REFUSED.to_owned()));
    assert_ne!(resolve(&guarded, "nothing.example").await, Err(REFUSED.to_owned()));
    assert_eq!(resolve(&guarded, "unknown.invalid").await, Err("no such name".to_owned()));
}

#[tokio::test]
async fn every_dns_answer_is_checked() {
    let names = Names::default().with("rebinding.example", &[&["93.184.216.34"], &["127.0.0.1"]]);
    let guarded = GuardedResolver::new(names, AddressRule::Public);
    assert_eq!(resolve(&guarded, "rebinding.example").await, Ok(vec!["93.184.216.34".to_owned()]));
    assert_eq!(resolve(&guarded, "rebinding.example").await, Err(REFUSED.to_owned()));
}

#[tokio::test]
async fn unusual_ip_notations_resolved_by_the_system_are_checked() {
    // getaddrinfo accepts what inet_aton accepts. A URL can't contain these as a name, but the check doesn't rely on that.
    for name in ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1"] {
        let guarded = GuardedResolver::new(SystemResolver, AddressRule::Public);
        assert!(resolve(&guarded, name).await.is_err(), "{name}");
    }
    let guarded = GuardedResolver::new(SystemResolver, AddressRule::PublicOrLoopback);
    assert_eq!(resolve(&guarded, "127.0.0.1").await, Ok(vec!["127.0.0.1".to_owned()]));
}

/// The connector uses the guarded resolver each time it connects: the first answer is allowed here, the second is not,
/// and the server receives one request.
#[tokio::test]
async fn dns_rebinding_to_a_private_address_is_rejected() {
    let names = Names::default().with("files.example", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let server = Server::that_sends(reply("200 OK", "", "x")).await;
    let client = client(PATIENT, names);
    let url = server.url("files.example", "/");
    assert_eq!(fetch_code(&client, &url).await, "document");
    let error = fetch(&client, &url).await.unwrap_err();
    assert_eq!(error, OutboundError::Address { host: "files.example".to_owned() });
    assert!(!error.is_transient());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn only_allowed_addresses_of_a_mixed_dns_answer_are_used() {
    let names = Names::default().with("files.example", &[&["10.0.0.1", "fd00::1", "127.0.0.1", "::ffff:127.0.0.1"]]);
    let server = Server::that_sends(reply("200 OK", "", "x")).await;
    assert_eq!(fetch_code(&client(PATIENT, names), &server.url("files.example", "/")).await, "document");
}

/// The deployed rules, down to the connector: no connection is made to an allowed name at a private or loopback address.
#[tokio::test]
async fn deployed_clients_do_not_connect_to_private_addresses() {
    use countersign::outbound::Client;
    let policy = super::server::policy("files.example,inside.example", false);
    let names = Names::default().with("inside.example", &[&["10.0.0.1", "fd00::1"]]);
    let client = Client::with_resolver(policy, PATIENT, names);
    assert_eq!(fetch_code(&client, "https://files.example/").await, "address_not_public");
    assert_eq!(fetch_code(&client, "https://inside.example/").await, "address_not_public");
    assert_eq!(fetch_code(&client, "https://127.0.0.1/").await, "address_not_public");
}

#[tokio::test]
async fn a_name_without_addresses_is_a_dns_error() {
    let names = Names::default().with("files.example", &[&[]]);
    let error = fetch(&client(PATIENT, names), "http://files.example/").await.unwrap_err();
    assert_eq!(error, OutboundError::Dns { host: "files.example".to_owned() });
    assert!(error.is_transient());
}
