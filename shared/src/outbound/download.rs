//! Streams a document into a file, following redirects.
//!
//! The services redirect downloads to short-lived locations on other hosts. Each redirect is checked like the first
//! request. A credential is sent only to the origin (scheme, host and port) that it was issued for. Once a redirect has
//! left that origin, the credential isn't sent again, not even to its own origin: whoever controlled one redirect may
//! control the next one too. A credential marked [only for the first request](Credential::only_first) isn't sent after
//! any redirect: Legalesign redirects to "a short lived location for download, do not use Legalesign authentication".

use super::client::{Client, host_of};
use super::coding::{Coding, codings};
use super::error::OutboundError;
use aws_lc_rs::digest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use url::{Origin, Url};

/// Maximum number of redirects that are followed. Services use one or two; more are a loop or an attack.
pub const MAX_REDIRECTS: usize = 5;

/// One document to fetch. `Debug` shows neither URL nor credential.
#[derive(Clone)]
pub struct Download {
    url: String,
    limit: u64,
    credential: Option<Credential>,
}

impl Download {
    /// A document at `url`, of at most `limit` bytes.
    #[must_use]
    pub fn new(url: impl Into<String>, limit: u64) -> Self {
        Self { url: url.into(), limit, credential: None }
    }

    /// Sends `credential` with each request until one goes to another origin than the credential's.
    #[must_use]
    pub fn with_credential(self, credential: Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A header with a secret, and the origin that it may be sent to. `Debug` doesn't show the secret.
#[derive(Clone)]
pub struct Credential {
    origin: Origin,
    name: HeaderName,
    value: HeaderValue,
    only_first: bool,
}

/// The secret contains characters that a header can't carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential contains characters that a header can't carry")]
pub struct InvalidCredential;

impl Credential {
    /// A secret header for the origin of `api`, for example `authorization` with `Bearer …`.
    ///
    /// # Errors
    /// [`InvalidCredential`] if the value can't be sent in a header.
    pub fn new(api: &Url, name: HeaderName, value: &SecretString) -> Result<Self, InvalidCredential> {
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| InvalidCredential)?;
        value.set_sensitive(true);
        let origin = api.origin();
        Ok(Self { origin, name, value, only_first: false })
    }

    /// The same credential, but for the first request only: not sent after a redirect, even to the same host.
    #[must_use]
    pub fn only_first(self) -> Self {
        Self { only_first: true, ..self }
    }

    fn is_for(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.ascii_serialization();
        f.debug_struct("Credential").field("origin", &origin).finish_non_exhaustive()
    }
}

/// The result of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Status 200. The body is in the file; whether it is a PDF hasn't been checked.
    Document(Downloaded),
    /// Any other status that isn't a redirect. The body was not read.
    NoDocument(NoDocument),
}

/// A document that was written to the file. `Debug` shows nothing of its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes written.
    pub size: u64,
    /// Hash of the bytes written.
    pub sha256: Sha256,
    /// The content codings that the response announced, although the request accepts `identity` only. They have not been
    /// undone.
    pub codings: Vec<Coding>,
    /// `Content-Type` as it was sent, if it is ASCII and at most 200 characters long. Only a hint: a service was seen
    /// sending PDFs as `application/zip`.
    pub content_type: Option<String>,
    /// The host that sent the document, after redirects.
    pub host: String,
    /// Whether the response announced its length or was chunked. If not, only the document itself shows whether it is
    /// complete.
    pub length_known: bool,
}

impl fmt::Debug for Downloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloaded")
            .field("size", &self.size)
            .field("sha256", &self.sha256)
            .field("codings", &self.codings)
            .field("content_type", &self.content_type)
            .field("host", &self.host)
            .field("length_known", &self.length_known)
            .finish_non_exhaustive()
    }
}

/// A response without a document, for example Legalesign's 201: being de-archived, try again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDocument {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After`, if it is given in seconds.
    pub retry_after: Option<Duration>,
    /// The host that responded, after redirects.
    pub host: String,
}

/// A SHA-256 hash. `Display` writes 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl Client {
    /// Downloads a document into `file`, which is truncated first and rewound afterwards. At most [`MAX_REDIRECTS`]
    /// redirects are followed. After an error the file holds a partial document: discard it, or reuse it for another
    /// download.
    ///
    /// # Errors
    /// [`OutboundError`] if a URL is refused, if there is no complete response within the limits, or if the file can't
    /// be written.
    pub async fn download(&self, download: &Download, file: &mut File) -> Result<Fetched, OutboundError> {
        let url = self.policy().parse(&download.url)?;
        self.within_total(&url.clone(), self.follow(url, download, file)).await
    }

    async fn follow(&self, mut url: Url, download: &Download, file: &mut File) -> Result<Fetched, OutboundError> {
        let mut credential = download.credential.as_ref();
        let mut redirects = 0;
        loop {
            credential = credential.filter(|credential| credential.is_for(&url));
            let response = self.exchange(Method::GET, &url, headers(credential), Bytes::new()).await?;
            let host = host_of(&url);
            match response.status().as_u16() {
                200 => {
                    return self.store(&url, response, download.limit, file).await.map(Fetched::Document);
                }
                301 | 302 | 303 | 307 | 308 if redirects == MAX_REDIRECTS => {
                    return Err(OutboundError::TooManyRedirects { host });
                }
                301 | 302 | 303 | 307 | 308 => match response.headers().get(LOCATION) {
                    None => return Err(OutboundError::RedirectWithoutLocation { host }),
                    Some(location) => {
                        url = self.policy().redirect(&url, location.as_bytes())?;
                        redirects += 1;
                        credential = credential.filter(|credential| !credential.only_first);
                    }
                },
                _ => {
                    let (status, retry_after) = (response.status(), retry_after(response.headers()));
                    return Ok(Fetched::NoDocument(NoDocument { status, retry_after, host }));
                }
            }
        }
    }

    async fn store(
        &self,
        url: &Url,
        response: Response<SdkBody>,
        limit: u64,
        file: &mut File,
    ) -> Result<Downloaded, OutboundError> {
        let disk = |error: std::io::Error| OutboundError::Disk { kind: error.kind() };
        let (head, body) = response.into_parts();
        let mut body = self.bounded(url, &head.headers, body, limit)?;
        file.rewind().await.map_err(disk)?;
        file.set_len(0).await.map_err(disk)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        while let Some(chunk) = body.next().await? {
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(disk)?;
        }
        // tokio writes in the background: only a flush reports whether the last write succeeded.
        file.flush().await.map_err(disk)?;
        file.rewind().await.map_err(disk)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(hash.finish().as_ref());
        Ok(Downloaded {
            size: body.size(),
            sha256: Sha256(sha256),
            codings: codings(&head.headers),
            content_type: readable(head.headers.get(CONTENT_TYPE)).filter(|text| text.len() <= 200),
            host: host_of(url),
            length_known: body.length_known(),
        })
    }
}

fn headers(credential: Option<&Credential>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/pdf, */*;q=0.5"));
    if let Some(credential) = credential {
        headers.insert(credential.name.clone(), credential.value.clone());
    }
    headers
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = readable(headers.get(RETRY_AFTER))?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

fn readable(value: Option<&HeaderValue>) -> Option<String> {
    Some(value?.to_str().ok()?.to_owned())
}
