//! Putting, getting, replacing and deleting objects.

use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use futures::future::join_all;

use super::super::folder::publish;
use super::*;

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let server = Server::start().await;
    let put = server
        .client
        .put_object()
        .bucket(BUCKET)
        .key("a.pdf")
        .body(ByteStream::from_static(b"hello"))
        .content_type("application/pdf")
        .content_disposition("attachment")
        .metadata("subject", "signeasy-1")
        .metadata("title", "Prüfung")
        .checksum_sha256(sha256(b"hello"))
        .storage_class(aws_sdk_s3::types::StorageClass::Glacier)
        .send()
        .await
        .unwrap();
    // `printf hello | md5sum`
    let etag = Some("\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(put.e_tag(), etag);
    assert_eq!(put.checksum_sha256(), Some(sha256(b"hello").as_str()));

    let head = server
        .client
        .head_object()
        .bucket(BUCKET)
        .key("a.pdf")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    let get = server.client.get_object().bucket(BUCKET).key("a.pdf").send().await.unwrap();
    assert_eq!(get.e_tag(), etag);
    assert_eq!(get.content_type(), Some("application/pdf"));
    assert_eq!(get.content_disposition(), Some("attachment"));
    assert_eq!(get.metadata().unwrap()["subject"], "signeasy-1");
    // RFC 2047, as S3 itself answers.
    assert_eq!(get.metadata().unwrap()["title"], "=?UTF-8?B?UHLDvGZ1bmc=?=");
    assert_eq!(get.checksum_sha256(), Some(sha256(b"hello").as_str()));
    assert_eq!(get.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(get.content_length(), Some(5));
    assert_eq!(get.version_id(), None);

    assert_eq!(head.e_tag(), get.e_tag());
    assert_eq!(head.content_type(), get.content_type());
    assert_eq!(head.content_disposition(), get.content_disposition());
    assert_eq!(head.metadata(), get.metadata());
    assert_eq!(head.checksum_sha256(), get.checksum_sha256());
    assert_eq!(head.checksum_type(), get.checksum_type());
    assert_eq!(head.content_length(), get.content_length());
    assert_eq!(head.last_modified(), get.last_modified());
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"hello");
}

#[tokio::test]
async fn an_object_can_be_empty() {
    let server = Server::start().await;
    server.put("empty", b"").await;
    assert_eq!(server.get("empty").await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_racing_exclusive_puts_wins() {
    let server = Server::start().await;
    let puts = (0..32).map(|number| {
        let put = server
            .client
            .put_object()
            .bucket(BUCKET)
            .key("contested")
            .if_none_match("*")
            .body(ByteStream::from(format!("from {number}").into_bytes()))
            .send();
        async move { (number, put.await) }
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(puts).await.into_iter().partition(|(_, put)| put.is_ok());
    assert_eq!(won.len(), 1);
    for (_, put) in lost {
        assert_eq!(error_of(put), error(412, "PreconditionFailed"));
    }
    let winner = format!("from {}", won[0].0);
    assert_eq!(server.get("contested").await, winner.as_bytes());
    assert_eq!(server.temporary_files(), 0);
}

/// The requests above rarely overlap in the microseconds that matter; these threads do.
#[test]
fn one_of_racing_exclusive_renames_wins() {
    let folder = TempDir::new().unwrap();
    for round in 0..1000 {
        let path = folder.path().join(round.to_string());
        let start = std::sync::Barrier::new(8);
        let winners = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
                    scope.spawn(|| {
                        start.wait();
                        publish(file, &path, true)
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .filter(|published| match published {
                    Ok(()) => true,
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
                    Err(error) => panic!("{error}"),
                })
                .count()
        });
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn a_put_without_a_precondition_replaces() {
    let server = Server::start().await;
    server.put("key", b"a long first text").await;
    server.put("key", b"second").await;
    assert_eq!(server.get("key").await, b"second");
    assert_eq!(server.keys().await, ["key"]);
}

#[tokio::test]
async fn a_reader_keeps_the_old_object_while_it_is_replaced() {
    let server = Server::start().await;
    let (first, second) = (pattern(4 << 20), vec![7; 4 << 20]);
    server.put("key", &first).await;
    // The SDK has the head of the response, and a small part of the body.
    let open = server.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    server.put("key", &second).await;
    assert!(open.body.collect().await.unwrap().to_vec() == first);
    assert!(server.get("key").await == second);
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_can_be_deleted_again() {
    let server = Server::start().await;
    server.put("key", b"text").await;
    for _ in 0..2 {
        server.client.delete_object().bucket(BUCKET).key("key").send().await.unwrap();
    }
    let get = server.client.get_object().bucket(BUCKET).key("key").send().await;
    assert_eq!(error_of(get), error(404, "NoSuchKey"));
}

#[tokio::test]
async fn a_large_file_is_streamed_with_a_trailing_checksum() {
    let server = Server::start().await;
    let body = pattern(20_000_000);
    let file = server.folder.path().join("large");
    fs::write(&file, &body).unwrap();
    server
        .client
        .put_object()
        .bucket(BUCKET)
        .key("large")
        .body(ByteStream::from_path(file).await.unwrap())
        .send()
        .await
        .unwrap();
    let get = server.client.get_object().bucket(BUCKET).key("large").send().await.unwrap();
    assert_eq!(get.content_length(), Some(20_000_000));
    assert!(get.checksum_crc32().is_some(), "the SDK sends it by default");
    assert!(get.body.collect().await.unwrap().to_vec() == body);
}

#[tokio::test]
async fn every_algorithm_is_checked_and_kept() {
    let server = Server::start().await;
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        server
            .client
            .put_object()
            .bucket(BUCKET)
            .key(algorithm)
            .checksum_algorithm(algorithm.into())
            .body(ByteStream::from_static(b"hello"))
            .send()
            .await
            .unwrap();
        let get = server.client.get_object().bucket(BUCKET).key(algorithm).send().await.unwrap();
        let kept = [
            get.checksum_crc32(),
            get.checksum_crc32_c(),
            get.checksum_crc64_nvme(),
            get.checksum_sha1(),
            get.checksum_sha256(),
        ];
        assert_eq!(kept.iter().flatten().count(), 1, "{algorithm}");
        // The SDK compares the body with the checksum that came with it.
        assert_eq!(get.body.collect().await.unwrap().to_vec(), b"hello");
    }
}

#[tokio::test]
async fn byte_ranges_are_served() {
    let server = Server::start().await;
    server.put("digits", b"0123456789").await;
    for (range, expected, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let get = server.client.get_object().bucket(BUCKET).key("digits").range(range);
        let get = get.send().await.unwrap();
        assert_eq!(get.content_range(), Some(content_range));
        assert_eq!(get.content_length(), Some(expected.len() as i64));
        assert_eq!(get.checksum_crc32(), None, "the checksum is the whole object's");
        assert_eq!(get.body.collect().await.unwrap().to_vec(), expected.as_bytes());
    }
    let beyond = server.client.get_object().bucket(BUCKET).key("digits").range("bytes=10-");
    assert_eq!(error_of(beyond.send().await), error(416, "InvalidRange"));
}

#[tokio::test]
async fn reads_support_etag_conditions() {
    let server = Server::start().await;
    server.put("key", b"text").await;
    let get = || server.client.get_object().bucket(BUCKET).key("key");
    let head = || server.client.head_object().bucket(BUCKET).key("key");
    let etag = head().send().await.unwrap().e_tag().unwrap().to_owned();

    get().if_match(&etag).send().await.unwrap();
    get().if_match("*").send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    head().if_match(&etag).send().await.unwrap();
    let other = get().if_match("\"other\"").send().await;
    assert_eq!(error_of(other), error(412, "PreconditionFailed"));
    // These two responses have no body, so no error code.
    let other = head().if_match("\"other\"").send().await.unwrap_err();
    assert_eq!(other.raw_response().unwrap().status().as_u16(), 412);
    let same = get().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(same.raw_response().unwrap().status().as_u16(), 304);
}

#[tokio::test]
async fn buckets_can_be_created_and_listed() {
    let server = Server::start().await;
    let create = || server.client.create_bucket().bucket("another").send();
    create().await.unwrap();
    assert_eq!(error_of(create().await), error(409, "BucketAlreadyOwnedByYou"));

    let list = server.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = list.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["another", BUCKET]);
    assert!(list.buckets().iter().all(|bucket| bucket.creation_date().is_some()));

    server.client.head_bucket().bucket("another").send().await.unwrap();
    let versioning = server.client.get_bucket_versioning().bucket("another").send().await.unwrap();
    assert_eq!(versioning.status(), None);
}
