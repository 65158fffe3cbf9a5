//! The event with which an HTTP API of API Gateway calls a function, payload format 2.0.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use axum::http::{HeaderMap, header, request::Parts};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::Matched;

/// Builds the event for a request that matches a route.
#[must_use]
pub fn of(matched: &Matched, head: &Parts, body: &[u8]) -> Value {
    let path = head.uri.path();
    let now = Timestamp::now();
    let header = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST).filter(|host| is_host(host)).unwrap_or("localhost");
    let (text, is_base64) = match std::str::from_utf8(body) {
        Ok(text) if is_text(header(header::CONTENT_TYPE)) => (text.to_owned(), false),
        _ => (BASE64_STANDARD.encode(body), true),
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.key,
        "rawPath": path,
        "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers(&head.headers, host),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": header(header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": uuid::Uuid::now_v7().simple().to_string(),
            "routeKey": matched.key,
            "stage": "$default",
            "time": now.to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "pathParameters": decoded(&matched.parameters),
        "isBase64Encoded": is_base64,
    });
    if let (Some(query), Value::Object(event)) = (head.uri.query(), &mut event) {
        event.insert("queryStringParameters".to_owned(), query_parameters(query));
    }
    if let (false, Value::Object(event)) = (body.is_empty(), &mut event) {
        event.insert("body".to_owned(), Value::String(text));
    }
    event
}

/// Path variables as API Gateway passes them on.
fn decoded(parameters: &Value) -> Value {
    let parameters = parameters.as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        (name.clone(), percent_encoding::percent_decode_str(value).decode_utf8_lossy().into())
    });
    Value::Object(parameters.collect())
}

/// Whether a body of this type arrives as text. All others, forms included, arrive as base64.
fn is_text(content_type: Option<&str>) -> bool {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&media_type.as_str())
}

/// Names in lower case; the values of a repeated header are joined by commas. `Host` and the `X-Forwarded-*` headers are
/// set by the gateway, never by the sender.
fn headers(headers: &HeaderMap, host: &str) -> Value {
    let joined = headers.keys().map(|name| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (name.as_str().to_owned(), Value::String(values.join(",")))
    });
    let own = [("host", host), ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
    Value::Object(joined.chain(own).collect())
}

/// Whether a `Host` header is a host with an optional port, and nothing else.
fn is_host(host: &str) -> bool {
    let url = format!("http://{host}");
    url::Url::parse(&url).is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
        && !host.contains(['@', '/', '\\'])
}

/// The decoded query; the values of a repeated parameter are joined by commas.
fn query_parameters(query: &str) -> Value {
    let mut parameters: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let joined = match parameters.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        parameters.insert(name.into_owned(), Value::String(joined));
    }
    Value::Object(parameters)
}
