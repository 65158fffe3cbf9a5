//! Stores PDFs in the archive bucket. A PDF's key contains its hash, so one conditional put is enough: if the key
//! exists, the same content is already stored.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::{ByteStream, Length},
};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::pdf_file::PdfFile;
use crate::{
    aws::{Lazy, upload_timeouts},
    domain::Unavailable,
};

/// How often a put is tried while S3 answers with a conflict.
const CONFLICTING_ATTEMPTS: u32 = 5;

/// What S3 did with a put.
enum Put {
    /// The object is there.
    Stored,
    /// 409 `ConditionalRequestConflict`: another request for the key was under way. S3's documentation says to upload
    /// again, which the SDK doesn't do by itself.
    Conflict,
}

pub(super) struct Store {
    s3: Lazy<aws_sdk_s3::Client>,
    bucket: String,
}

impl Store {
    pub(super) const fn new(s3: Lazy<aws_sdk_s3::Client>, bucket: String) -> Self {
        Self { s3, bucket }
    }

    /// Stores a checked PDF under `key`, unless the key exists. S3 verifies the SHA-256 before it stores the object.
    ///
    /// # Errors
    /// If the file can't be read, or S3 rejects the request.
    pub(super) async fn put(&self, key: &str, pdf: &PdfFile) -> Result<(), Unavailable> {
        for _ in 1..CONFLICTING_ATTEMPTS {
            match self.put_once(key, pdf).await? {
                Put::Stored => return Ok(()),
                Put::Conflict => tracing::info!(event = "put_conflict"),
            }
        }
        match self.put_once(key, pdf).await? {
            Put::Stored => Ok(()),
            Put::Conflict => Err(Unavailable::failed("s3_ConditionalRequestConflict")),
        }
    }

    async fn put_once(&self, key: &str, pdf: &PdfFile) -> Result<Put, Unavailable> {
        let body = ByteStream::read_from()
            .path(pdf.file.path())
            .length(Length::Exact(pdf.size))
            .build()
            .await
            .map_err(|_| Unavailable::failed("disk"))?;
        let put = self
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .content_type("application/pdf")
            .checksum_sha256(BASE64_STANDARD.encode(pdf.digest))
            .body(body)
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(upload_timeouts()))
            .send()
            .await;
        let status =
            |error: &SdkError<_, HttpResponse>| error.raw_response().map(|response| response.status().as_u16());
        match put {
            Ok(_) => Ok(Put::Stored),
            // Precondition failed: the key exists. It contains the hash, so the same bytes are already stored.
            Err(error) if status(&error) == Some(412) => Ok(Put::Stored),
            Err(error) if status(&error) == Some(409) => Ok(Put::Conflict),
            Err(error) => Err(Unavailable::failed(format!("s3_{}", error.code().unwrap_or("no_answer")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use aws_sdk_s3::config::{Credentials, Region};

    use super::*;
    use crate::aws::{Aws, behavior_version, timeouts};

    /// A store whose S3 responds after `delay`.
    async fn store(delay: Duration) -> Store {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(move || async move { tokio::time::sleep(delay).await });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let config = aws_config::defaults(behavior_version())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(url)
            .timeout_config(timeouts())
            .load()
            .await;
        Store::new(Aws::new(&config, true).s3, "bucket".to_owned())
    }

    fn pdf() -> PdfFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"content").unwrap();
        PdfFile { file, size: 7, sha256: String::new(), digest: [0; 32], trailing_bytes: 0, name: None }
    }

    #[tokio::test]
    async fn an_upload_may_take_longer_than_a_dynamodb_call() {
        let attempt = timeouts().operation_attempt_timeout().unwrap();
        let store = store(attempt + Duration::from_secs(1)).await;
        assert_eq!(store.put("key", &pdf()).await, Ok(()));
    }
}
