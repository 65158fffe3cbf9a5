//! The client: one request at a time, judged before it goes and bounded while it runs.

use super::body::BoundedBody;
use super::classify::exchange_failure;
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

/// Firewalls of some services refuse requests that don't say who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));

/// Under what load balancers close idle connections after (60 s on AWS), so that a pooled one is seldom dead.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS, TCP and TLS together, per request.
    pub connect: Duration,
    /// From sending a request to the head of its answer, connecting included.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
    /// A call, or a download with all its redirects.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 5 s, 30 s (services render a PDF when it is asked for), 20 s, 120 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            total: Duration::from_secs(120),
        }
    }
}

/// An HTTP client that asks only allowed hosts at public addresses. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    connector: SharedHttpConnector,
    policy: Arc<UrlPolicy>,
    timeouts: Timeouts,
}

impl Client {
    /// A client with the operating system's resolver and trusted certificates. Loads the certificates: make one per
    /// process, and give it other hosts with [`with_hosts`](Self::with_hosts).
    #[must_use]
    pub fn new(policy: UrlPolicy, timeouts: Timeouts) -> Self {
        Self::with_resolver(policy, timeouts, SystemResolver)
    }

    /// A client that asks another resolver. Its answers are judged like any others.
    #[must_use]
    pub fn with_resolver(policy: UrlPolicy, timeouts: Timeouts, resolver: impl ResolveDns + 'static) -> Self {
        // The limits after connecting are kept here: the connector's own "read timeout" can't tell them apart.
        let settings = HttpConnectorSettings::builder().connect_timeout(timeouts.connect).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            .pool_idle_timeout(KEEP_IDLE)
            .proxy_config(ProxyConfig::disabled())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build_with_resolver(GuardedResolver::new(resolver, policy.address_rule()));
        Self { connector: SharedHttpConnector::new(connector), policy: Arc::new(policy), timeouts }
    }

    /// The same client, with its connections, for another list of hosts.
    #[must_use]
    pub fn with_hosts(&self, hosts: HostPatterns) -> Self {
        // What was checked at connect time holds for both: the rule over addresses is the same.
        let policy = Arc::new(self.policy.with_hosts(hosts));
        Self { policy, ..self.clone() }
    }

    /// What this client may ask.
    #[must_use]
    pub fn policy(&self) -> &UrlPolicy {
        &self.policy
    }

    /// One API request with an absolute `https` URI. Follows no redirect; every status is an answer. Of the answer's
    /// body, up to `limit` bytes are read into memory. A `Host` header in the request is ignored.
    ///
    /// # Errors
    /// [`OutboundError`] if there is no complete answer within the limits.
    pub async fn call(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, OutboundError> {
        let (head, body) = request.into_parts();
        let url = self.policy.parse(&head.uri.to_string())?;
        self.within_total(&url, async {
            let response = self.exchange(head.method, &url, head.headers, body).await?;
            let (head, body) = response.into_parts();
            let mut body = self.bounded(&url, &head.headers, body, limit as u64)?;
            let mut whole = BytesMut::new();
            while let Some(piece) = body.next().await? {
                whole.extend_from_slice(&piece);
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

    /// Sends one request to `url`, after judging it, and waits for the head of the answer.
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

/// The connector wants another type of URL, with a parser of its own. Should the two ever disagree about where the
/// request goes, it doesn't go.
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
