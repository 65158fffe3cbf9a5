//! The client: checks each request before sending it, and limits its time and size.

use super::body::BoundedBody;
use super::classify::exchange_failure;
use super::coding::codings;
use super::error::{OutboundError, Phase};
use super::hosts::HostPatterns;
use super::policy::{Refused, UrlPolicy};
use super::resolver::{GuardedResolver, SystemResolver};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::dns::ResolveDns;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// Some services' firewalls refuse requests without a `User-Agent`.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));

/// Shorter than the idle timeout of load balancers (60 s on AWS), so that a pooled connection is rarely dead.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// Limits of time for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS, TCP and TLS together, per request.
    pub connect: Duration,
    /// From sending a request to the head of its response, connecting included.
    pub first_byte: Duration,
    /// Between two chunks of a body.
    pub stall: Duration,
    /// For a whole call, or a whole download with its redirects.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 5 s, 30 s (services render a PDF on request), 20 s, 120 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            total: Duration::from_secs(120),
        }
    }
}

/// An HTTP client for allowed hosts at public addresses only. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    connector: SharedHttpConnector,
    policy: Arc<UrlPolicy>,
    timeouts: Timeouts,
}

impl Client {
    /// A client with the operating system's resolver and trusted certificates. Loading the certificates is expensive:
    /// make one client per process, and derive clients for other hosts with [`with_hosts`](Self::with_hosts).
    #[must_use]
    pub fn new(policy: UrlPolicy, timeouts: Timeouts) -> Self {
        Self::with_resolver(policy, timeouts, SystemResolver)
    }

    /// A client with another resolver. The addresses that it returns are checked as well.
    #[must_use]
    pub fn with_resolver(policy: UrlPolicy, timeouts: Timeouts, resolver: impl ResolveDns + 'static) -> Self {
        // The later limits are enforced in this module: the connector's one "read timeout" can't tell them apart.
        let settings = HttpConnectorSettings::builder().connect_timeout(timeouts.connect).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .pool_idle_timeout(KEEP_IDLE)
            .proxy_config(ProxyConfig::disabled())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build_with_resolver(GuardedResolver::new(resolver, policy.address_rule()));
        Self { connector: SharedHttpConnector::new(connector), policy: Arc::new(policy), timeouts }
    }

    /// A client for another list of hosts that shares this client's connections.
    #[must_use]
    pub fn with_hosts(&self, hosts: HostPatterns) -> Self {
        // Shared connections are safe: both clients check addresses by the same rule when they connect.
        let policy = Arc::new(self.policy.with_hosts(hosts));
        Self { policy, ..self.clone() }
    }

    /// The policy that decides which URLs this client may request.
    #[must_use]
    pub fn policy(&self) -> &UrlPolicy {
        &self.policy
    }

    /// Sends one API request with an absolute `https` URI and reads the response body into memory, up to `limit`
    /// bytes. Follows no redirects. Every status is a response, not an error. A `Host` header in the request is
    /// ignored.
    ///
    /// # Errors
    /// [`OutboundError`] if there is no complete response within the limits.
    pub async fn call(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, OutboundError> {
        let (head, body) = request.into_parts();
        let url = self.policy.parse(&head.uri.to_string())?;
        self.within_total(&url, async {
            let response = self.exchange(head.method, &url, head.headers, body).await?;
            let (head, body) = response.into_parts();
            if !codings(&head.headers).is_empty() {
                return Err(OutboundError::Encoded { host: host_of(&url) });
            }
            let mut body = self.bounded(&url, &head.headers, body, limit as u64)?;
            let mut whole = BytesMut::new();
            while let Some(chunk) = body.next().await? {
                whole.extend_from_slice(&chunk);
            }
            Ok(Response::from_parts(head, whole.freeze()))
        })
        .await
    }

    pub(super) async fn within_total<T>(
        &self,
        url: &Url,
        work: impl Future<Output = Result<T, OutboundError>>,
    ) -> Result<T, OutboundError> {
        match timeout(self.timeouts.total, work).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(url, Phase::Total)),
        }
    }

    pub(super) fn bounded(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: SdkBody,
        limit: u64,
    ) -> Result<BoundedBody, OutboundError> {
        BoundedBody::new(host_of(url), headers, body, limit, self.timeouts.stall)
    }

    /// Checks `url`, sends one request to it and waits for the head of the response.
    pub(super) async fn exchange(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<SdkBody>, OutboundError> {
        self.policy.check(url)?;
        let host = host_of(url);
        headers.remove(HOST);
        headers.entry(USER_AGENT).or_insert(AGENT);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = Request::new(SdkBody::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri_of(url)?;
        *request.headers_mut() = headers;

        let protocol = |_| OutboundError::Protocol { host: host.clone() };
        let mut request = HttpRequest::try_from(request).map_err(protocol)?;
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());
        match timeout(self.timeouts.first_byte, self.connector.call(request)).await {
            Ok(Ok(response)) => response.try_into_http1x().map_err(protocol),
            Ok(Err(error)) => Err(exchange_failure(&host, &error, connection.get().is_some())),
            Err(_) if connection.get().is_some() => Err(timed_out(url, Phase::FirstByte)),
            Err(_) => Err(timed_out(url, Phase::Connect)),
        }
    }
}

pub(super) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn timed_out(url: &Url, phase: Phase) -> OutboundError {
    OutboundError::Timeout { host: host_of(url), phase }
}

/// Converts to the connector's URL type, which has its own parser. If the two parsers disagree about the destination,
/// the request is refused.
fn uri_of(url: &Url) -> Result<Uri, Refused> {
    let mut url = url.clone();
    url.set_fragment(None);
    let uri: Uri = url.as_str().parse().map_err(|_| Refused::Malformed)?;
    let same = uri.scheme_str() == Some(url.scheme())
        && uri.host() == url.host_str()
        && uri.port_u16() == url.port()
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if same { Ok(uri) } else { Err(Refused::Malformed) }
}
