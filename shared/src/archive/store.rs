//! The bucket. A PDF's key contains its hash, so one put is all: the same content is there already, or it is new.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::{ByteStream, Length},
};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Obstacle, file::PdfFile};

pub(super) struct Store {
    s3: aws_sdk_s3::Client,
    bucket: String,
}

impl Store {
    pub(super) const fn new(s3: aws_sdk_s3::Client, bucket: String) -> Self {
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
