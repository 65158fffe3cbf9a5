//! A plain download to disk, and a plain put of the file.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::{body::SdkBody, timeout::TimeoutConfig};
use http_body_util::BodyExt;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

/// A document to copy from a URL into a bucket.
pub struct Document {
    url: String,
    bucket: String,
    connector: SharedHttpConnector,
    s3: aws_sdk_s3::Client,
}

impl Document {
    /// The document at the URL `PLAIN_DOCUMENT`, for the bucket `ARCHIVE_BUCKET`.
    ///
    /// # Errors
    /// When these variables aren't set.
    pub fn from_env(config: &SdkConfig) -> Result<Self> {
        let connector = Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().build())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build();
        let timeout = TimeoutConfig::builder().operation_timeout(Duration::from_secs(240)).build();
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true).timeout_config(timeout);
        let s3 = aws_sdk_s3::Client::from_conf(s3.build());
        let (url, bucket) = (std::env::var("PLAIN_DOCUMENT")?, std::env::var("ARCHIVE_BUCKET")?);
        Ok(Self { url, bucket, connector: SharedHttpConnector::new(connector), s3 })
    }

    /// Copies the document. Returns its size in bytes.
    ///
    /// # Errors
    /// When the download or the put fails.
    pub async fn copy(&self) -> Result<u64> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(self.url.as_str())?;
        if let Ok(credential) = std::env::var("PLAIN_AUTHORIZATION") {
            request.headers_mut().insert("authorization", credential);
        }
        let response = self.connector.call(request).await.context("the download")?;
        if !response.status().is_success() {
            bail!("the download was answered with {}", response.status().as_u16());
        }
        let mut body = response.into_body();
        let file = NamedTempFile::new()?;
        let mut writer = tokio::fs::File::from_std(file.reopen()?);
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            let piece = frame.map_err(anyhow::Error::from_boxed)?.into_data().unwrap_or_default();
            writer.write_all(&piece).await?;
            size += piece.len() as u64;
        }
        writer.flush().await?;
        let body = ByteStream::from_path(file.path()).await?;
        self.s3.put_object().bucket(&self.bucket).key("plain.pdf").body(body).send().await?;
        Ok(size)
    }
}
