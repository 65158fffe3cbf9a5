//! Access control of the embedded AWS services and the simulated services: they are for programs, not for web pages.
//!
//! Listening on loopback isn't enough. Any site that is open in a browser on this machine can send requests here, and a
//! site that points its own name at 127.0.0.1 (DNS rebinding) could read the responses. A browser names the page's site
//! in `Origin` or `Sec-Fetch-Site`, and a rebound name in `Host`. In addition, the embedded AWS services require a key that
//! is made at each start.

use std::{io, net::IpAddr};

use anyhow::{Result, anyhow};
use aws_lc_rs::{constant_time, digest, rand};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

/// An access key of AWS, with its secret. Doesn't implement `Debug`, because both are secret here: DynamoDB and the event
/// bus compare only the key's id, which only readers of `endpoints.json` know.
#[derive(Clone)]
pub struct Key {
    /// The id: 32 hexadecimal digits.
    pub id: String,
    /// The secret, which signs requests.
    pub secret: String,
}

impl Key {
    /// Generates a new key.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    pub fn generate() -> Result<Self> {
        let random = || {
            let mut bytes = [0; 16];
            rand::fill(&mut bytes).map_err(|_| anyhow!("the operating system provides no random numbers"))?;
            Ok::<_, anyhow::Error>(format!("{:032x}", u128::from_be_bytes(bytes)))
        };
        Ok(Self { id: random()?, secret: random()? })
    }

    /// Whether a request is signed with this key: its `Authorization` names the id. Compares in constant time.
    fn is_named_in(&self, headers: &HeaderMap) -> bool {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = authorization.and_then(|text| text.split_once("Credential=")).map(|(_, rest)| rest);
        let given = credential.and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let digest = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
        constant_time::verify_slices_are_equal(digest(&self.id).as_ref(), digest(given).as_ref()).is_ok()
    }
}

/// Whether a request may come from a program on this machine or in one of its containers. A web page's request doesn't.
#[must_use]
pub fn is_from_a_program(headers: &HeaderMap) -> bool {
    // `none` is an address that a person entered.
    let is_from_a_page = headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site != HeaderValue::from_static("none"));
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.to_str().ok());
    !is_from_a_page && host.is_some_and(is_own_host)
}

/// Whether a `Host` is loopback, a private address, or a name that a container engine gives this machine. No public name
/// is, wherever it points.
fn is_own_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    match name.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".internal"),
    }
}

/// Passes on what a program sends.
pub async fn check(request: Request, next: Next) -> Response {
    if is_from_a_program(request.headers()) { next.run(request).await } else { refused() }
}

/// Serves `router` to programs that know `key` until `shutdown`, then finishes the requests in flight.
///
/// # Errors
/// When the listener fails.
pub async fn serve_with_key(
    listener: TcpListener,
    router: Router,
    key: Key,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = router.layer(middleware::from_fn_with_state(key, check_with_key));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Passes on what a program sends that knows the key.
async fn check_with_key(State(key): State<Key>, request: Request, next: Next) -> Response {
    let is_allowed = is_from_a_program(request.headers()) && key.is_named_in(request.headers());
    if is_allowed { next.run(request).await } else { refused() }
}

fn refused() -> Response {
    (StatusCode::FORBIDDEN, "Only programs with the key in endpoints.json may use this, at an address of this machine.")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_own_hosts_are_accepted() {
        for own in
            ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "172.17.0.1:8000", "host.docker.internal:80", "[::1]:80"]
        {
            assert!(is_from_a_program(&headers(&[("host", own)])), "{own}");
        }
        for foreign in
            ["evil.example:8000", "127.0.0.1.evil.example", "8.8.8.8", "internal", "", "localhost.evil.example"]
        {
            assert!(!is_from_a_program(&headers(&[("host", foreign)])), "{foreign}");
        }
        assert!(!is_from_a_program(&HeaderMap::new()));
    }

    #[test]
    fn web_pages_are_refused() {
        let host = ("host", "127.0.0.1:8000");
        for page in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "same-origin")] {
            assert!(!is_from_a_program(&headers(&[host, page])), "{page:?}");
        }
        assert!(is_from_a_program(&headers(&[host, ("sec-fetch-site", "none")])));
    }

    #[test]
    fn only_the_id_of_this_key_is_accepted() {
        let key = Key { id: "own".to_owned(), secret: String::new() };
        let with = |text| headers(&[("authorization", text)]);
        assert!(
            key.is_named_in(&with("AWS4-HMAC-SHA256 Credential=own/20261122/eu-west-1/dynamodb/aws4_request, a=b"))
        );
        for other in ["AWS4-HMAC-SHA256 Credential=another/20261122", "AWS4-HMAC-SHA256 Credential=own2/", "own", ""] {
            assert!(!key.is_named_in(&with(other)), "{other}");
        }
        assert!(!key.is_named_in(&HeaderMap::new()));
    }

    #[test]
    fn each_key_is_another() {
        let (one, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert!(one.id != other.id && one.secret != other.secret && one.id.len() == 32);
    }
}
