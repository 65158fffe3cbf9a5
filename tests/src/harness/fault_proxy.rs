//! Proxies for DynamoDB, S3, the event bus and the services that let a chosen call fail in a chosen way.
//!
//! One connection carries one call, so that a call can be cut off at any byte. Calls are numbered over all proxies,
//! in the order in which they arrive: a run without faults counts them, and then each of them is made to fail.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Longer than any client of a test waits.
const SILENCE: Duration = Duration::from_secs(120);

/// Well below the clients' timeouts.
const SLOW: Duration = Duration::from_millis(60);

/// The server behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// The table.
    DynamoDb,
    /// The bucket.
    S3,
    /// The event bus.
    EventBridge,
    /// The services' APIs.
    Services,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Throttled, with the response that each service documents. The call took no effect.
    Throttled,
    /// 500. The call took no effect.
    ServerError,
    /// 500, though the call took effect.
    ServerErrorAfterEffect,
    /// Rejected because the caller's clock is off. The call took no effect.
    ClockSkew,
    /// 409, as S3 answers a conditional put while another request for the key is under way. The call took no effect. Not
    /// among [`Fault::ALL`], because only that call can fail so.
    Conflict,
    /// 403, as S3 answers for lack of permission. The call took no effect. Not among [`Fault::ALL`].
    Denied,
    /// The connection is closed without a response. The call took no effect.
    CutBefore,
    /// The connection is closed without a response, though the call took effect.
    CutAfter,
    /// Half of the request arrives, then both connections are closed.
    HalfRequest,
    /// Half of the response arrives, then the connection is closed. The call took effect.
    HalfResponse,
    /// No response until the caller times out. The call took no effect.
    SilenceBefore,
    /// No response until the caller times out, though the call took effect.
    SilenceAfter,
    /// The response is slow, but arrives before the caller times out.
    Slow,
    /// The caller's process dies before the call arrives.
    CrashBefore,
    /// The caller's process dies after the call took effect.
    CrashAfter,
}

impl Fault {
    /// All faults that any call can have.
    pub const ALL: [Self; 13] = [
        Self::Throttled,
        Self::ServerError,
        Self::ServerErrorAfterEffect,
        Self::ClockSkew,
        Self::CutBefore,
        Self::CutAfter,
        Self::HalfRequest,
        Self::HalfResponse,
        Self::SilenceBefore,
        Self::SilenceAfter,
        Self::Slow,
        Self::CrashBefore,
        Self::CrashAfter,
    ];

    /// Whether the caller's process dies.
    #[must_use]
    pub const fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }

    /// Whether the caller notices only by its timeout.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::SilenceBefore | Self::SilenceAfter)
    }
}

/// A call that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The server it was for.
    pub upstream: Upstream,
    /// `PutItem`, say, or `GET /path`.
    pub name: String,
}

#[derive(Default)]
struct Plan {
    calls: Vec<Call>,
    /// The number of the first call that fails, how many fail, and how.
    fault: Option<(usize, usize, Fault)>,
    /// Only calls whose names begin so are numbered and fail.
    prefix: &'static str,
    /// Whether the caller's process has died. Each plan has its own, so that a call that ends late can't crash a process
    /// that runs under the next plan.
    crashed: watch::Sender<bool>,
}

/// The faults of all proxies of one test.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    /// Numbers calls from 0 again; from number `from` on, `times` calls fail.
    pub fn plan(&self, from: usize, times: usize, fault: Fault) {
        *self.lock() = Plan { fault: Some((from, times, fault)), ..Plan::default() };
    }

    /// Lets the first `times` calls fail whose names begin with `prefix`. Only these are numbered.
    pub fn plan_for(&self, prefix: &'static str, times: usize, fault: Fault) {
        *self.lock() = Plan { fault: Some((0, times, fault)), prefix, ..Plan::default() };
    }

    /// Numbers calls from 0 again, and lets none fail. Returns the calls so far.
    pub fn clear(&self) -> Vec<Call> {
        std::mem::take(&mut *self.lock()).calls
    }

    /// Runs a function; `None` if its process died.
    pub async fn process<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut crashed = self.lock().crashed.subscribe();
        // Drops the guard that it gets: concurrent calls that crash wait for it, each on a thread of the runtime.
        let crash = async { drop(crashed.wait_for(|crashed| *crashed).await) };
        let mut work = tokio::spawn(work);
        tokio::select! {
            done = &mut work => Some(done.expect("a function never panics")),
            () = crash => {
                work.abort();
                drop(work.await);
                None
            }
        }
    }

    /// Starts a proxy for `upstream`, whose address is `host:port`. Returns the proxy's URL.
    pub async fn proxy(&self, upstream: Upstream, address: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (faults, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (faults, address) = (faults.clone(), address.clone());
                connections.spawn(async move {
                    // Connections are closed early on purpose.
                    drop(faults.exchange(upstream, client, &address).await);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        url
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this call fails, and the mark of a dead process.
    fn next(&self, call: Call) -> Option<(Fault, watch::Sender<bool>)> {
        let mut plan = self.lock();
        if !call.name.starts_with(plan.prefix) {
            return None;
        }
        let number = plan.calls.len();
        plan.calls.push(call);
        let (from, times, fault) = plan.fault?;
        (from..from + times).contains(&number).then(|| (fault, plan.crashed.clone()))
    }

    async fn exchange(&self, upstream: Upstream, mut client: TcpStream, address: &str) -> io::Result<()> {
        let Some(request) = Message::read(&mut client).await? else { return Ok(()) };
        let forward = || forward(address, &request);
        let Some((fault, crashed)) = self.next(Call { upstream, name: request.name() }) else {
            return client.write_all(&forward().await?).await;
        };
        match fault {
            Fault::Slow => {
                tokio::time::sleep(SLOW).await;
                let response = forward().await?;
                let (first, rest) = response.split_at(response.len() / 2);
                client.write_all(first).await?;
                tokio::time::sleep(SLOW).await;
                client.write_all(rest).await
            }
            Fault::Throttled => client.write_all(throttled(upstream).as_bytes()).await,
            Fault::ServerError => client.write_all(server_error(upstream).as_bytes()).await,
            Fault::Conflict => client.write_all(s3("409 Conflict", "ConditionalRequestConflict").as_bytes()).await,
            Fault::Denied => client.write_all(s3("403 Forbidden", "AccessDenied").as_bytes()).await,
            Fault::ClockSkew => client.write_all(clock_skew(upstream).as_bytes()).await,
            Fault::ServerErrorAfterEffect => {
                forward().await?;
                client.write_all(server_error(upstream).as_bytes()).await
            }
            Fault::CutBefore => Ok(()),
            Fault::CutAfter => forward().await.map(drop),
            Fault::HalfRequest => {
                let mut server = TcpStream::connect(address).await?;
                server.write_all(&request.bytes[..request.bytes.len() / 2]).await?;
                server.shutdown().await
            }
            Fault::HalfResponse => {
                let response = forward().await?;
                client.write_all(&response[..response.len() / 2]).await
            }
            Fault::SilenceBefore => silence(&mut client).await,
            Fault::SilenceAfter => {
                forward().await?;
                silence(&mut client).await
            }
            Fault::CrashBefore => {
                crashed.send_replace(true);
                silence(&mut client).await
            }
            Fault::CrashAfter => {
                forward().await?;
                crashed.send_replace(true);
                silence(&mut client).await
            }
        }
    }
}

/// Sends nothing until the client has gone.
async fn silence(client: &mut TcpStream) -> io::Result<()> {
    let mut rest = Vec::new();
    drop(tokio::time::timeout(SILENCE, client.read_to_end(&mut rest)).await);
    Ok(())
}

async fn forward(address: &str, request: &Message) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(address).await?;
    server.write_all(&request.bytes).await?;
    let mut response = Vec::new();
    server.read_to_end(&mut response).await?;
    Ok(response)
}

/// A whole HTTP/1.1 request, changed so that it asks for the connection to be closed afterwards.
struct Message {
    bytes: Vec<u8>,
    head: String,
}

impl Message {
    async fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end_of_head = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end_of_head]).into_owned();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
            })
        };
        if field("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length: Option<usize> = field("content-length").and_then(|length| length.parse().ok());
        let chunked = field("transfer-encoding").is_some();
        loop {
            let body = &bytes[end_of_head..];
            let whole = if chunked { body.ends_with(b"0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) };
            if whole {
                break;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
        let kept = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("expect")
        };
        let lines: Vec<&str> = head.trim_end().lines().filter(kept).collect();
        let mut whole = format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n")).into_bytes();
        whole.extend_from_slice(&bytes[end_of_head..]);
        Ok(Some(Self { bytes: whole, head }))
    }

    /// The operation of DynamoDB or EventBridge, or method and path.
    fn name(&self) -> String {
        let mut lines = self.head.lines();
        let target = lines.clone().find_map(|line| line.strip_prefix("x-amz-target: ")?.split_once('.'));
        let target = target.map(|(_, operation)| operation);
        let request_line = lines.next().unwrap_or_default();
        let method_and_path = request_line.rsplit_once(' ').map_or(request_line, |(line, _)| line);
        target.unwrap_or(method_and_path).to_owned()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn response(status: &str, content_type: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn throttled(upstream: Upstream) -> String {
    match upstream {
        Upstream::DynamoDb => dynamodb("ProvisionedThroughputExceededException"),
        Upstream::S3 => s3("503 Slow Down", "SlowDown"),
        Upstream::EventBridge => eventbridge("400 Bad Request", "ThrottlingException"),
        Upstream::Services => {
            response("429 Too Many Requests", "text/plain", "retry-after: 1\r\n", "too many requests")
        }
    }
}

fn server_error(upstream: Upstream) -> String {
    match upstream {
        Upstream::DynamoDb => response(
            "500 Internal Server Error",
            "application/x-amz-json-1.0",
            "",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"fault"}"#,
        ),
        Upstream::S3 => s3("500 Internal Server Error", "InternalError"),
        Upstream::EventBridge => eventbridge("500 Internal Server Error", "InternalException"),
        Upstream::Services => response("500 Internal Server Error", "text/html", "", "<html>an error page</html>"),
    }
}

fn clock_skew(upstream: Upstream) -> String {
    match upstream {
        Upstream::DynamoDb => response(
            "400 Bad Request",
            "application/x-amz-json-1.0",
            "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired"}"#,
        ),
        Upstream::S3 => s3("403 Forbidden", "RequestTimeTooSkewed"),
        Upstream::EventBridge => eventbridge("400 Bad Request", "InvalidSignatureException"),
        Upstream::Services => response("401 Unauthorized", "text/plain", "", "the token isn't valid yet"),
    }
}

fn dynamodb(code: &str) -> String {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"fault"}}"#);
    response("400 Bad Request", "application/x-amz-json-1.0", "", &body)
}

fn eventbridge(status: &str, code: &str) -> String {
    let body = format!(r#"{{"__type":"{code}","message":"fault"}}"#);
    response(status, "application/x-amz-json-1.1", "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", &body)
}

fn s3(status: &str, code: &str) -> String {
    let body =
        format!(r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>fault</Message></Error>"#);
    response(status, "application/xml", "", &body)
}
