//! The events of HTTP requests.
//!
//! | caller | payload | path | query |
//! |---|---|---|---|
//! | HTTP API, function URL | 2.0 | `rawPath` | `rawQueryString`, as it was sent |
//! | REST API, or an HTTP API with payload 1.0 | 1.0 | `path` | decoded parameters |
//! | load balancer | its own | `path` | parameters as they were sent, not decoded |
//!
//! A REST API and a load balancer give repeated headers and parameters once more as lists, the latter only if its target
//! group says so.
//!
//! - <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//! - <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
//! - <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>
//! - <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::url_text;

/// Who called, which decides the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A load balancer whose target group gives and takes each header as a list.
    LoadBalancerWithLists,
    /// Any other load balancer.
    LoadBalancer,
    /// API Gateway, or a function URL.
    Other,
}

/// Why an event isn't a request. Has nothing of the event, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenEvent {
    /// It isn't an event of a known form.
    #[error("the event is none of an HTTP request")]
    Form,
    /// The method isn't one.
    #[error("the event has no valid method")]
    Method,
    /// Path and query aren't those of a URL.
    #[error("the event has no valid path")]
    Path,
    /// The body isn't base64, though the event says so.
    #[error("the event's body isn't base64")]
    Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    request_context: Option<Context>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<Map<String, Value>>,
    multi_value_headers: Option<Map<String, Value>>,
    query_string_parameters: Option<Map<String, Value>>,
    multi_value_query_string_parameters: Option<Map<String, Value>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    is_base64_encoded: Option<bool>,
}

/// A string of the event's JSON. It is borrowed unless it has escapes, since a body can have megabytes.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Context {
    http: Option<Http>,
    elb: Option<Value>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// The request in an event, and who called. A header that occurs more than once has its values joined by commas, as an
/// HTTP API gives them. One whose value isn't valid is empty, so that it isn't mistaken for a missing one.
///
/// # Errors
/// [`BrokenEvent`]
pub fn request(event: &str) -> Result<(Request<Bytes>, Caller), BrokenEvent> {
    let mut event: Event = serde_json::from_str(event).map_err(|_| BrokenEvent::Form)?;
    let caller = event.caller();
    let (method, target) = event.method_and_target()?;
    let mut request = Request::new(event.take_body()?);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| BrokenEvent::Method)?;
    *request.uri_mut() = target.parse().map_err(|_| BrokenEvent::Path)?;
    *request.headers_mut() = event.headers();
    Ok((request, caller))
}

impl Event<'_> {
    fn is_from_load_balancer(&self) -> bool {
        self.request_context.as_ref().is_some_and(|context| context.elb.is_some())
    }

    fn caller(&self) -> Caller {
        match (self.is_from_load_balancer(), &self.multi_value_headers) {
            (true, Some(_)) => Caller::LoadBalancerWithLists,
            (true, None) => Caller::LoadBalancer,
            (false, _) => Caller::Other,
        }
    }

    /// The method, and path and query as those of a URL.
    fn method_and_target(&self) -> Result<(String, String), BrokenEvent> {
        let http = self.request_context.as_ref().and_then(|context| context.http.as_ref());
        let (method, path, query) = match (http, &self.http_method) {
            (Some(http), _) => (&http.method, &self.raw_path, self.raw_query_string.clone().unwrap_or_default()),
            (None, Some(method)) => (method, &self.path, self.query()),
            (None, None) => return Err(BrokenEvent::Form),
        };
        let path = path.as_deref().filter(|path| path.starts_with('/')).ok_or(BrokenEvent::Path)?;
        Ok((method.clone(), url_text::target(path, &query)))
    }

    /// The query of an event that has only its parameters.
    fn query(&self) -> String {
        let parameters =
            entries(self.multi_value_query_string_parameters.as_ref().or(self.query_string_parameters.as_ref()));
        if self.is_from_load_balancer() {
            let pairs: Vec<String> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
            return pairs.join("&");
        }
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries(self.multi_value_headers.as_ref().or(self.headers.as_ref())) {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            let before = headers.get(&name).map(HeaderValue::as_bytes);
            let joined = before.map_or_else(|| value.into(), |before| [before, b",", value.as_bytes()].concat());
            headers.insert(name, HeaderValue::from_bytes(&joined).unwrap_or(HeaderValue::from_static("")));
        }
        headers
    }

    fn take_body(&mut self) -> Result<Bytes, BrokenEvent> {
        let Text(body) = self.body.take().unwrap_or_default();
        if self.is_base64_encoded == Some(true) {
            return BASE64_STANDARD.decode(&*body).map(Bytes::from).map_err(|_| BrokenEvent::Body);
        }
        Ok(body.into_owned().into())
    }
}

/// The texts of a map, whose values are texts or lists of them.
fn entries(map: Option<&Map<String, Value>>) -> impl Iterator<Item = (&str, &str)> {
    map.into_iter().flatten().flat_map(|(name, value)| {
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(|value| Some((name.as_str(), value.as_str()?)))
    })
}
