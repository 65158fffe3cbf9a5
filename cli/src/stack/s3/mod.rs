//! An embedded S3: the `s3s` crate implements the protocol (SigV4, chunked uploads, XML), this module stores the objects in
//! a folder.
//!
//! The local stack and the tests use it through the real AWS SDK, so that the code that runs in Lambda runs here unchanged.
//! What that code relies on is exact: one of any number of racing `If-None-Match: *` puts wins and the others get 412, a body
//! that doesn't match its checksum is rejected and leaves nothing behind, and an acknowledged object is there, whole, after
//! the process was killed. What that code doesn't need is left out: versions, Object Lock (its headers are accepted and
//! ignored, as are storage class, tags and encryption), conditions on time, copying. **A put without a precondition replaces
//! the object**, and a delete removes it. A request that would get a wrong answer without these features gets
//! `NotImplemented`.
//!
//! - `folder`: the layout of the folder, and the rename that makes an object exist
//! - `object`: the format of an object's file
//! - `upload`: receives a request's body into a temporary file, and checks it
//! - `download`: streams an object's bytes into a response
//! - `checksum`: checksums; `conditions`: preconditions; `list`: listings
//! - `protocol`, `multipart`: the operations; `parts`: the multipart uploads in progress
//!
//! `s3s` logs every rejected request as an error, an ordinary 412 included, and whole requests with their signatures at
//! debug level. The process's log filter has to include [`LOG_DIRECTIVE`], which silences it. Problems with the folder are
//! logged by this module.

mod checksum;
mod conditions;
mod download;
mod folder;
mod list;
mod multipart;
mod object;
mod parts;
mod protocol;
#[cfg(test)]
mod tests;
mod upload;

use std::pin::pin;
use std::time::Duration;

use hyper::{Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use folder::Store;

use crate::programs_only;
/// An access key and its secret; the secret's `Debug` is redacted.
pub use s3s::auth::Credentials;

/// A directive for the process's log filter; the module's documentation says why.
pub const LOG_DIRECTIVE: &str = "s3s=off";

/// Grace period for requests in flight on shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `store` over HTTP/1.1 on `listener` until `shutdown` completes, then lets the requests in flight finish (for at
/// most five seconds). Requests must be signed (SigV4) with `credentials`, and come from programs; buckets are addressed by path.
///
/// Requests that arrive between the listener's `bind` and this call wait in the listener's queue: there is nothing to wait
/// for before announcing the address.
pub async fn serve(listener: TcpListener, store: Store, credentials: Credentials, shutdown: impl Future<Output = ()>) {
    let mut builder = S3ServiceBuilder::new(protocol::Protocol::new(store));
    builder.set_auth(SimpleAuth::from_single(credentials.access_key, credentials.secret_key));
    let service = builder.build();

    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, service.clone(), stopped.clone()));
                }
                // Out of file descriptors, or the peer has gone: neither ends the server.
                Err(error) => {
                    tracing::warn!(%error, "the embedded S3 could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }

    drop(listener);
    drop(stop);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("requests to the embedded S3 were cut off at shutdown");
    }
}

async fn serve_connection(stream: TcpStream, service: S3Service, mut stopped: watch::Receiver<()>) {
    let for_programs = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move {
            if programs_only::is_from_a_program(request.headers()) {
                return service.call(request.map(Body::from)).await;
            }
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = StatusCode::FORBIDDEN;
            Ok(refused)
        }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), for_programs);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The sender never sends. Dropping it is the signal.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the embedded S3 ended early");
    }
}
