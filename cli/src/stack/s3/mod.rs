//! An S3 of our own inside the process: the `s3s` crate speaks the protocol (SigV4, chunked uploads, XML), this module
//! keeps the objects in a folder.
//!
//! The local stack and the tests talk to it through the real AWS SDK, so that the code that runs in Lambda runs here
//! unchanged. What that code relies on is exact: of any number of racing `If-None-Match: *` puts one wins and the others
//! get 412, a body that isn't what its checksum says is refused and leaves nothing, and an object that was acknowledged is
//! there, whole, after the process was killed. What it doesn't need is left out: versions, Object Lock (its headers are
//! accepted and ignored, as are storage class, tags and encryption), conditions on time, copying. **A put without a
//! precondition replaces the object**, and a delete removes it. Anything that would be answered wrongly for lack of these
//! is answered `NotImplemented`.
//!
//! - `folder`: where files are, and the one rename that makes an object exist
//! - `object`: the format of an object's file
//! - `upload`: a request's body into a temporary file, checked
//! - `download`: an object's bytes into a response
//! - `checksum`, `conditions`, `list`: what their names say
//! - `protocol`, `multipart`: the operations; `parts`: the multipart uploads under way
//!
//! `s3s` logs every refused request as an error, an ordinary 412 included, and whole requests with their signatures at
//! debug level. Whoever sets up logging for the process adds [`LOG_DIRECTIVE`]. What goes wrong in the folder itself is
//! logged from here.

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

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use folder::Store;
/// An access key and its secret; the secret's `Debug` is redacted.
pub use s3s::auth::Credentials;

/// What to add to the process's log filter; see the module's text for why.
pub const LOG_DIRECTIVE: &str = "s3s=off";

/// How long requests that are under way may take to finish once shutdown has begun.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `store` over HTTP/1.1 on `listener` until `shutdown` completes, then lets the requests under way finish (for at
/// most five seconds). Requests must be signed (SigV4) with `credentials`; buckets are addressed by path.
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
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The sender is only ever dropped: that is the signal.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the embedded S3 ended early");
    }
}
