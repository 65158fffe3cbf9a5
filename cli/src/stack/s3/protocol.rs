//! The S3 operations, composed of the other modules.

use std::collections::HashMap;

use s3s::dto::*;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result};

use super::checksum::{checksums_of, hex, set_checksums};
use super::conditions::{check_etag, exclusive, unsupported, unversioned};
use super::folder::{Store, failed};
use super::object::{Headers, Properties};
use super::parts::Uploads;
use super::upload::{Claims, receive};
use super::{download, list, multipart};

/// The implementation that `s3s` calls.
pub(super) struct Protocol {
    store: Store,
    uploads: Uploads,
}

impl Protocol {
    pub fn new(store: Store) -> Self {
        Self { store, uploads: Uploads::default() }
    }
}

#[async_trait::async_trait]
impl S3 for Protocol {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        self.store.create_bucket(&bucket).await?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.store.require_bucket(&request.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.store.buckets().await?.into_iter().map(|(name, since)| Bucket {
            name: Some(name),
            creation_date: Some(Timestamp::from(since)),
            ..Default::default()
        });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), ..Default::default() }))
    }

    /// No status: versioning was never enabled.
    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.store.require_bucket(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let body = request.input.body.take();
        let claims = Claims::new(&request, request.input.content_md5.clone(), checksums_of!(request.input));
        let received = receive(&self.store, body, claims, None).await?;

        let input = request.input;
        let exclusive = exclusive(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        unsupported(input.write_offset_bytes.is_some(), "Appending")?;
        let properties = Properties {
            key: input.key,
            size: received.size,
            etag: hex(&received.md5),
            last_modified: jiff::Timestamp::now(),
            headers: Headers {
                content_type: input.content_type,
                content_disposition: input.content_disposition,
                metadata: input.metadata.unwrap_or_default().into_iter().collect(),
            },
            checksums: received.checksums,
            composite: false,
        };
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(properties.etag.clone())),
            checksum_type: checksum_type(&properties),
            ..Default::default()
        };
        set_checksums!(output, properties.checksums);
        self.store.commit(&input.bucket, received.file, properties, exclusive).await?;
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        unsupported(input.if_modified_since.is_some() || input.if_unmodified_since.is_some(), "A condition on time")?;
        unsupported(input.part_number.is_some(), "Reading a part")?;
        unversioned(input.version_id.as_deref())?;

        let (file, properties) = self.store.read(&input.bucket, &input.key).await?;
        check_etag(&properties.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let size = properties.size;
        let range = input.range.map_or(Ok(0..size), |range| range.check(size))?;
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(range.end - range.start).ok(),
            content_range: input.range.map(|_| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))),
            e_tag: Some(ETag::Strong(properties.etag.clone())),
            last_modified: Some(last_modified(&properties)),
            content_type: properties.headers.content_type.clone(),
            content_disposition: properties.headers.content_disposition.clone(),
            metadata: Some(metadata(&properties)),
            ..Default::default()
        };
        // The checksums are the whole object's: a client would compare them with the range, and fail.
        if wants_checksums(input.checksum_mode.as_ref()) && input.range.is_none() {
            output.checksum_type = checksum_type(&properties);
            set_checksums!(output, properties.checksums);
        }
        let body = download::stream(file, &range).map_err(|error| failed("reading an object", error))?;
        output.body = Some(body);
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        unsupported(input.if_modified_since.is_some() || input.if_unmodified_since.is_some(), "A condition on time")?;
        unsupported(input.part_number.is_some() || input.range.is_some(), "Reading a part")?;
        unversioned(input.version_id.as_deref())?;

        let (_, properties) = self.store.read(&input.bucket, &input.key).await?;
        check_etag(&properties.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(properties.size).ok(),
            e_tag: Some(ETag::Strong(properties.etag.clone())),
            last_modified: Some(last_modified(&properties)),
            content_type: properties.headers.content_type.clone(),
            content_disposition: properties.headers.content_disposition.clone(),
            metadata: Some(metadata(&properties)),
            ..Default::default()
        };
        if wants_checksums(input.checksum_mode.as_ref()) {
            output.checksum_type = checksum_type(&properties);
            set_checksums!(output, properties.checksums);
        }
        Ok(S3Response::new(output))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        unsupported(
            input.if_match.is_some() || input.if_match_size.is_some() || input.if_match_last_modified_time.is_some(),
            "A conditional delete",
        )?;
        unversioned(input.version_id.as_deref())?;
        self.store.remove(&input.bucket, &input.key).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    /// No object of the embedded S3 is ever locked.
    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let input = request.input;
        unversioned(input.version_id.as_deref())?;
        self.store.read(&input.bucket, &input.key).await?;
        Err(S3ErrorCode::NoSuchObjectLockConfiguration.into())
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let objects = self.store.scan(&input.bucket, prefix).await?;
        Ok(S3Response::new(list::page(objects, input)?))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        unsupported(input.delimiter.is_some() || input.encoding_type.is_some(), "Grouping or encoding versions")?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let objects = self.store.scan(&input.bucket, prefix).await?;
        Ok(S3Response::new(list::versions(objects, input)))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        multipart::create(&self.store, &self.uploads, request.input).await.map(S3Response::new)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        multipart::upload_part(&self.store, &self.uploads, request).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        multipart::complete(&self.store, &self.uploads, request.input).await.map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        multipart::abort(&self.uploads, request.input).await.map(S3Response::new)
    }
}

fn wants_checksums(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

pub(super) fn checksum_type(properties: &Properties) -> Option<ChecksumType> {
    (!properties.checksums.is_empty()).then(|| type_name(properties.composite))
}

pub(super) fn type_name(composite: bool) -> ChecksumType {
    ChecksumType::from_static(match composite {
        true => ChecksumType::COMPOSITE,
        false => ChecksumType::FULL_OBJECT,
    })
}

fn last_modified(properties: &Properties) -> Timestamp {
    Timestamp::from(std::time::SystemTime::from(properties.last_modified))
}

fn metadata(properties: &Properties) -> HashMap<String, String> {
    properties.headers.metadata.clone().into_iter().collect()
}
