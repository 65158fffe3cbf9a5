//! The bucket. A PDF's key contains its hash, so one put is all: the same content is there already, or it is new.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::{ByteStream, Length},
};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Obstacle, file::PdfFile};
use crate::aws::{Lazily, upload_timeouts};

pub(super) struct Store {
    s3: Lazily<aws_sdk_s3::Client>,
    bucket: String,
}

impl Store {
    pub(super) const fn new(s3: Lazily<aws_sdk_s3::Client>, bucket: String) -> Self {
        Self { s3, bucket }
    }

    /// Puts a checked PDF under `key`, unless it is there. S3 compares the SHA-256 before it keeps anything.
    ///
    /// # Errors
    /// When S3 can't take it.
    pub(super) async fn put(&self, key: &str, pdf: &PdfFile) -> Result<(), Obstacle> {
        let body = ByteStream::read_from()
            .path(pdf.file.path())
            .length(Length::Exact(pdf.size))
            .build()
            .await
            .map_err(|_| Obstacle::failed("disk"))?;
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
        match put {
            Ok(_) => Ok(()),
            // The same bytes under the same name: it is there already.
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 412 => Ok(()),
            Err(error) => Err(Obstacle::failed(format!("s3_{}", error.code().unwrap_or("no_answer")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use aws_sdk_s3::config::{Credentials, Region};

    use super::*;
    use crate::aws::{Aws, behavior_version, timeouts};

    /// A bucket that answers so much later.
    async fn store(later: Duration) -> Store {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(move || async move { tokio::time::sleep(later).await });
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
        PdfFile { file, size: 7, sha256: String::new(), digest: [0; 32] }
    }

    #[tokio::test]
    async fn an_upload_may_take_longer_than_a_table_s_answer() {
        let patience = timeouts().operation_attempt_timeout().unwrap();
        let store = store(patience + Duration::from_secs(1)).await;
        assert_eq!(store.put("key", &pdf()).await, Ok(()));
    }
}
