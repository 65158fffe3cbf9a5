//! The operations of multipart uploads. Completing one is an ordinary put of its concatenated parts, with the same
//! precondition.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::checksum::{Algorithm, checksums_of, hex, set_checksums};
use super::conditions::exclusive;
use super::folder::Store;
use super::object::{Headers, Properties};
use super::parts::{self, Upload, Uploads};
use super::protocol::{checksum_type, type_name};
use super::upload::{Claims, receive};

pub(super) async fn create(
    store: &Store,
    uploads: &Uploads,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    store.require_bucket(&input.bucket).await?;
    let checksum =
        input.checksum_algorithm.as_ref().map(|name| checksum(name, input.checksum_type.as_ref())).transpose()?;
    let headers = Headers {
        content_type: input.content_type,
        content_disposition: input.content_disposition,
        metadata: input.metadata.unwrap_or_default().into_iter().collect(),
    };
    let upload = Upload::new(input.bucket.clone(), input.key.clone(), headers, checksum);
    let id = uploads.create(upload).await;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: checksum.map(|checksum| type_name(checksum.composite)),
        ..Default::default()
    })
}

pub(super) async fn upload_part(
    store: &Store,
    uploads: &Uploads,
    mut request: S3Request<UploadPartInput>,
) -> S3Result<UploadPartOutput> {
    let body = request.input.body.take();
    let claims = Claims::new(&request, request.input.content_md5.clone(), checksums_of!(request.input));
    let input = request.input;
    let upload = uploads.find(&input.upload_id, &input.bucket, &input.key).await;
    let wanted = upload.as_ref().ok().and_then(|upload| upload.checksum);
    let wanted = wanted.map(|checksum| checksum.algorithm);
    let claimed: Vec<Algorithm> = claims.algorithms().collect();
    // A missing upload is reported only after the body has been read; `upload` says why.
    let received = receive(store, body, claims, wanted).await?;
    let upload = upload?;
    if wanted.is_some_and(|wanted| !claimed.is_empty() && !claimed.contains(&wanted)) {
        return Err(s3_error!(InvalidRequest, "The part's checksum is of another kind than the upload's."));
    }

    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(hex(&received.md5))), ..Default::default() };
    set_checksums!(output, received.checksums);
    upload.add(input.part_number, received).await?;
    Ok(output)
}

pub(super) async fn complete(
    store: &Store,
    uploads: &Uploads,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let exclusive = exclusive(input.if_none_match.as_ref(), input.if_match.as_ref())?;
    let upload = uploads.find(&input.upload_id, &input.bucket, &input.key).await?;
    let claimed = checksums_of!(input);
    let listed = input.multipart_upload.and_then(|list| list.parts).unwrap_or_default();
    let joined = upload.join(store, &listed).await?;
    if input.mpu_object_size.is_some_and(|size| u64::try_from(size) != Ok(joined.size)) {
        return Err(s3_error!(InvalidRequest, "The parts do not add up to the size given."));
    }
    if claimed.iter().any(|(algorithm, value)| joined.checksums.get(algorithm) != Some(value)) {
        return Err(s3_error!(BadDigest, "The object's checksum does not match its parts."));
    }

    let properties = Properties {
        key: input.key.clone(),
        size: joined.size,
        etag: joined.etag,
        last_modified: jiff::Timestamp::now(),
        headers: upload.headers.clone(),
        checksums: joined.checksums,
        composite: upload.checksum.is_some_and(|checksum| checksum.composite),
    };
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(properties.etag.clone())),
        checksum_type: checksum_type(&properties),
        ..Default::default()
    };
    set_checksums!(output, properties.checksums);
    store.commit(&input.bucket, joined.file, properties, exclusive).await?;
    // Only now: an upload that could not be completed can be retried with other parts, or aborted.
    uploads.remove(&input.upload_id).await;
    Ok(output)
}

pub(super) async fn abort(uploads: &Uploads, input: AbortMultipartUploadInput) -> S3Result<AbortMultipartUploadOutput> {
    uploads.find(&input.upload_id, &input.bucket, &input.key).await?;
    uploads.remove(&input.upload_id).await;
    Ok(AbortMultipartUploadOutput::default())
}

fn checksum(name: &ChecksumAlgorithm, kind: Option<&ChecksumType>) -> S3Result<parts::Checksum> {
    let algorithm = Algorithm::parse(name.as_str())
        .ok_or_else(|| s3_error!(InvalidRequest, "There is no such checksum algorithm."))?;
    // S3's defaults.
    let composite = match kind.map(ChecksumType::as_str) {
        Some(kind) => kind == ChecksumType::COMPOSITE,
        None => algorithm != Algorithm::Crc64Nvme,
    };
    Ok(parts::Checksum { algorithm, composite })
}
