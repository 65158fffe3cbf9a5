//! Multipart uploads.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::*;

/// S3's minimum size of a part that isn't the last.
const PART: usize = 5 << 20;
const KEY: &str = "large";

impl Server {
    async fn create(&self) -> String {
        let create = self.client.create_multipart_upload().bucket(BUCKET).key(KEY);
        create.send().await.unwrap().upload_id().unwrap().to_owned()
    }

    async fn upload(&self, id: &str, number: i32, body: &[u8]) -> CompletedPart {
        let part = self.client.upload_part().bucket(BUCKET).key(KEY).upload_id(id);
        let part = part.part_number(number).body(ByteStream::from(body.to_vec()));
        let part = part.send().await.unwrap();
        CompletedPart::builder().part_number(number).e_tag(part.e_tag().unwrap()).build()
    }

    fn complete(
        &self,
        id: &str,
        parts: &[CompletedPart],
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let complete = self.client.complete_multipart_upload().bucket(BUCKET).key(KEY);
        complete.upload_id(id).multipart_upload(parts)
    }
}

#[tokio::test]
async fn parts_become_one_object() {
    let server = Server::start().await;
    let (first, second) = (pattern(PART), b"and the rest");
    let create = server.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.content_type("application/pdf").metadata("provider", "signeasy");
    let id = create.send().await.unwrap().upload_id().unwrap().to_owned();
    // In any order, and one of them twice.
    let last = server.upload(&id, 9, second).await;
    server.upload(&id, 2, b"replaced").await;
    let parts = [server.upload(&id, 2, &first).await, last];
    assert!(server.keys().await.is_empty());
    let completed = server.complete(&id, &parts).send().await.unwrap();

    let get = server.client.get_object().bucket(BUCKET).key(KEY).send().await.unwrap();
    assert_eq!(get.e_tag(), completed.e_tag());
    assert!(get.e_tag().unwrap().ends_with("-2\""));
    assert_eq!(get.content_type(), Some("application/pdf"));
    assert_eq!(get.metadata().unwrap()["provider"], "signeasy");
    assert!(get.body.collect().await.unwrap().to_vec() == [&first[..], second].concat());
    assert_eq!(server.temporary_files(), 0);

    let again = server.complete(&id, &parts).send().await;
    assert_eq!(error_of(again), error(404, "NoSuchUpload"));
}

#[tokio::test]
async fn completing_with_if_none_match_does_not_replace() {
    let server = Server::start().await;
    let id = server.create().await;
    let part = server.upload(&id, 1, b"new").await;
    server.put(KEY, b"old").await;
    let complete = || server.complete(&id, std::slice::from_ref(&part));
    let exclusive = complete().if_none_match("*").send().await;
    assert_eq!(error_of(exclusive), error(412, "PreconditionFailed"));
    assert_eq!(server.get(KEY).await, b"old");

    // The upload still exists, and replaces the object without the precondition.
    complete().send().await.unwrap();
    assert_eq!(server.get(KEY).await, b"new");
}

#[tokio::test]
async fn an_aborted_upload_is_gone_with_its_parts() {
    let server = Server::start().await;
    let id = server.create().await;
    let part = server.upload(&id, 1, b"text").await;
    assert_eq!(server.temporary_files(), 1);
    let abort = || server.client.abort_multipart_upload().bucket(BUCKET).key(KEY).upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(server.temporary_files(), 0);
    assert_eq!(error_of(abort().await), error(404, "NoSuchUpload"));
    let complete = server.complete(&id, &[part]).send().await;
    assert_eq!(error_of(complete), error(404, "NoSuchUpload"));
}

#[tokio::test]
async fn checksums_are_combined_as_s3_does() {
    let server = Server::start().await;
    let bodies = [pattern(PART), b"and the rest".to_vec()];
    let digests: Vec<u8> = bodies.iter().flat_map(|body| STANDARD.decode(sha256(body)).unwrap()).collect();
    let composite = format!("{}-2", sha256(&digests));
    let create = server.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(create.checksum_type(), Some(&ChecksumType::Composite));
    let id = create.upload_id().unwrap();
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let part = server.client.upload_part().bucket(BUCKET).key(KEY).upload_id(id);
        let part = part.part_number(number).checksum_sha256(sha256(body)).body(ByteStream::from(body.clone()));
        let part = part.send().await.unwrap();
        assert_eq!(part.checksum_sha256(), Some(sha256(body).as_str()));
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(part.e_tag().unwrap())
                .checksum_sha256(sha256(body))
                .build(),
        );
    }
    let wrong = server.complete(id, &parts).checksum_sha256(sha256(b"other")).send().await;
    assert_eq!(error_of(wrong), error(400, "BadDigest"));
    let completed = server.complete(id, &parts).checksum_sha256(&composite).send().await.unwrap();
    assert_eq!(completed.checksum_sha256(), Some(composite.as_str()));

    let head = server.client.head_object().bucket(BUCKET).key(KEY);
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.checksum_sha256(), Some(composite.as_str()));
    assert_eq!(head.checksum_type(), Some(&ChecksumType::Composite));
}

#[tokio::test]
async fn a_checksum_can_be_over_the_whole_object() {
    let server = Server::start().await;
    let create = server.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).send().await.unwrap();
    let id = create.upload_id().unwrap();
    let part = server.client.upload_part().bucket(BUCKET).key(KEY).upload_id(id).part_number(1);
    let part = part.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    let part = part.body(ByteStream::from_static(b"123456789")).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(part.e_tag().unwrap()).build();
    let completed = server.complete(id, &[part]).send().await.unwrap();
    // The check value of CRC-64/NVME, ae8b14860a799888.
    assert_eq!(completed.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
    assert_eq!(completed.checksum_type(), Some(&ChecksumType::FullObject));
}

#[tokio::test]
async fn parts_that_differ_from_the_upload_are_rejected() {
    let server = Server::start().await;
    let id = server.create().await;
    let one = server.upload(&id, 1, b"one").await;
    let two = server.upload(&id, 2, b"two").await;
    let complete = async |parts: &[CompletedPart]| error_of(server.complete(&id, parts).send().await);
    let with = |number, etag: &str| CompletedPart::builder().part_number(number).e_tag(etag).build();

    let unknown = with(3, one.e_tag().unwrap());
    assert_eq!(complete(&[unknown]).await, error(400, "InvalidPart"));
    let another = with(1, two.e_tag().unwrap());
    assert_eq!(complete(&[another]).await, error(400, "InvalidPart"));
    let bare = CompletedPart::builder().part_number(1).build();
    assert_eq!(complete(&[bare]).await, error(400, "InvalidPart"));
    let checksum = CompletedPart::builder().part_number(1).e_tag(one.e_tag().unwrap());
    let checksum = checksum.checksum_sha256(sha256(b"other")).build();
    assert_eq!(complete(&[checksum]).await, error(400, "InvalidPart"));
    assert_eq!(complete(&[two.clone(), one.clone()]).await, error(400, "InvalidPartOrder"));
    assert_eq!(complete(&[one.clone(), one.clone()]).await, error(400, "InvalidPartOrder"));
    assert_eq!(complete(&[one.clone(), two]).await, error(400, "EntityTooSmall"));
    assert_eq!(complete(&[]).await, error(400, "MalformedXML"));
    let size = server.complete(&id, &[one]).mpu_object_size(4).send().await;
    assert_eq!(error_of(size), error(400, "InvalidRequest"));
    assert!(server.keys().await.is_empty());
}

#[tokio::test]
async fn an_invalid_part_is_rejected() {
    let server = Server::start().await;
    let create = server.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let id = create.upload_id().unwrap();
    let part = |key, number| {
        let part = server.client.upload_part().bucket(BUCKET).key(key).upload_id(id);
        part.part_number(number).body(ByteStream::from_static(b"text"))
    };
    let bad = part(KEY, 1).checksum_sha256(sha256(b"other")).send().await;
    assert_eq!(error_of(bad), error(400, "BadDigest"));
    let other_kind = part(KEY, 1).checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
    assert_eq!(error_of(other_kind), error(400, "InvalidRequest"));
    let number = part(KEY, 10_001).checksum_algorithm(ChecksumAlgorithm::Sha256);
    assert_eq!(error_of(number.send().await), error(400, "InvalidArgument"));
    let another_key = part("another", 1).send().await;
    assert_eq!(error_of(another_key), error(404, "NoSuchUpload"));
    assert_eq!(server.temporary_files(), 0);
}
