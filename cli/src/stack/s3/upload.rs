//! Receives a request's body into a temporary file, in constant memory, and rejects it unless it matches what the request
//! declares.
//!
//! The body is always read to its end before a response is sent: hyper closes a connection whose request body is unread, and
//! a client that is still sending then gets a broken pipe instead of the response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::stream::ByteStream as _;
use s3s::{S3Request, S3Result, TrailingHeaders, s3_error};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::checksum::{Algorithm, Checksums, Hasher};
use super::folder::{Store, failed};

/// What a request declares about its body.
pub(super) struct Claims {
    /// Base64, from `Content-MD5`.
    pub md5: Option<String>,
    /// From the headers.
    pub checksums: Checksums,
    /// Checksums that are announced in `x-amz-trailer` and follow the body.
    announced: Vec<Algorithm>,
    trailers: Option<TrailingHeaders>,
}

impl Claims {
    /// Reads the announced trailers from the request; the caller passes what is in the typed input.
    pub fn new<T>(request: &S3Request<T>, md5: Option<String>, checksums: Checksums) -> Self {
        let announced = request
            .headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|names| names.split(','))
            .filter_map(|name| Algorithm::of_header(name.trim()))
            .collect();
        Self { md5, checksums, announced, trailers: request.trailing_headers.clone() }
    }

    /// The algorithms that the client uses.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.checksums.keys().chain(&self.announced).copied()
    }

    /// Adds the trailers' values. Call it after the body has been read.
    fn read_trailers(&mut self) -> S3Result<()> {
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take).unwrap_or_default();
        for (name, value) in &trailers {
            if let (Some(algorithm), Ok(value)) = (Algorithm::of_header(name.as_str()), value.to_str()) {
                self.checksums.insert(algorithm, value.to_owned());
            }
        }
        if self.announced.iter().all(|algorithm| self.checksums.contains_key(algorithm)) {
            Ok(())
        } else {
            Err(s3_error!(InvalidRequest, "A trailer that was announced is missing."))
        }
    }
}

/// A body that was received and matches its request.
pub(super) struct Received {
    pub file: NamedTempFile,
    pub size: u64,
    pub md5: [u8; 16],
    /// The checksums that the client declared, and the `wanted` one.
    pub checksums: Checksums,
}

/// Reads `body` to its end and checks it. `wanted` is computed even if the client doesn't declare it.
///
/// # Errors
/// `IncompleteBody` if the body is shorter or longer than declared, or its signature is wrong; `BadDigest` if a checksum
/// is. The temporary file is gone then.
pub(super) async fn receive(
    store: &Store,
    body: Option<StreamingBlob>,
    mut claims: Claims,
    wanted: Option<Algorithm>,
) -> S3Result<Received> {
    let storing = |error| failed("storing a body", error);
    let file = store.temporary_file().await?;
    let mut writer = tokio::fs::File::from_std(file.as_file().try_clone().map_err(storing)?);
    let mut md5 = Md5::new();
    let mut checksums = Hasher::new(claims.algorithms().chain(wanted));
    let mut size = 0;

    if let Some(mut body) = body {
        let declared = body.remaining_length().exact();
        while let Some(chunk) = body.next().await {
            // `s3s` checks the signed hash on the way, and its error comes in place of the last chunk.
            let Ok(chunk) = chunk else {
                return Err(s3_error!(IncompleteBody, "The body ended early, or isn't what was signed."));
            };
            md5.update(&chunk);
            checksums.update(&chunk);
            size += chunk.len() as u64;
            writer.write_all(&chunk).await.map_err(storing)?;
        }
        if declared.is_some_and(|declared| declared as u64 != size) {
            return Err(s3_error!(IncompleteBody));
        }
    }
    writer.flush().await.map_err(storing)?;

    claims.read_trailers()?;
    let md5 = md5.finalize();
    if claims.md5.is_some_and(|claimed| claimed != STANDARD.encode(md5)) {
        return Err(s3_error!(BadDigest, "The Content-MD5 does not match the body."));
    }
    let checksums = checksums.finish();
    for (algorithm, claimed) in &claims.checksums {
        if checksums.get(algorithm) != Some(claimed) {
            return Err(s3_error!(BadDigest, "The {} checksum does not match the body.", algorithm.name()));
        }
    }
    Ok(Received { file, size, md5, checksums })
}
