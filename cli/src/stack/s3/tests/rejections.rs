//! Rejected requests and their error codes.

use aws_sdk_s3::primitives::DateTime;

use super::*;

#[tokio::test]
async fn wrong_credentials_are_rejected() {
    let server = Server::start().await;
    for (access_key, secret_key, code) in
        [(ACCESS_KEY, "a wrong one", "SignatureDoesNotMatch"), ("another", SECRET_KEY, "NotSignedUp")]
    {
        let client = client(server.address, access_key, secret_key);
        let put = client.put_object().bucket(BUCKET).key("key").send().await;
        assert_eq!(error_of(put), error(403, code));
    }
    assert!(server.keys().await.is_empty());
}

#[tokio::test]
async fn a_wrong_checksum_is_rejected_and_leaves_nothing() {
    let server = Server::start().await;
    let put = || {
        let body = ByteStream::from_static(b"hello");
        server.client.put_object().bucket(BUCKET).key("key").body(body)
    };
    let bad_sha256 = put().checksum_sha256(sha256(b"other")).send().await;
    assert_eq!(error_of(bad_sha256), error(400, "BadDigest"));
    let bad_crc32 = put().checksum_crc32("AAAAAA==").send().await;
    assert_eq!(error_of(bad_crc32), error(400, "BadDigest"));
    let bad_md5 = put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert_eq!(error_of(bad_md5), error(400, "BadDigest"));
    assert!(server.keys().await.is_empty());
    assert_eq!(server.temporary_files(), 0);

    // `printf hello | openssl md5 -binary | base64`
    put().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();
    assert_eq!(server.get("key").await, b"hello");
}

#[tokio::test]
async fn a_wrong_checksum_does_not_change_an_existing_object() {
    let server = Server::start().await;
    server.put("key", b"first").await;
    let put = server.client.put_object().bucket(BUCKET).key("key");
    let put = put.checksum_sha256(sha256(b"other")).body(ByteStream::from_static(b"second"));
    assert_eq!(error_of(put.send().await), error(400, "BadDigest"));
    assert_eq!(server.get("key").await, b"first");
}

#[tokio::test]
async fn a_missing_bucket_is_an_error() {
    let server = Server::start().await;
    let client = &server.client;
    let missing = error(404, "NoSuchBucket");
    // Larger than the sockets' buffers: the response must arrive all the same.
    let body = ByteStream::from(pattern(8 << 20));
    let put = client.put_object().bucket("missing").key("key").body(body).send().await;
    assert_eq!(error_of(put), missing);
    let get = client.get_object().bucket("missing").key("key").send().await;
    assert_eq!(error_of(get), missing);
    let delete = client.delete_object().bucket("missing").key("key").send().await;
    assert_eq!(error_of(delete), missing);
    let list = client.list_objects_v2().bucket("missing").send().await;
    assert_eq!(error_of(list), missing);
    let upload = client.create_multipart_upload().bucket("missing").key("key").send().await;
    assert_eq!(error_of(upload), missing);
    let versioning = client.get_bucket_versioning().bucket("missing").send().await;
    assert_eq!(error_of(versioning), missing);
    // The response to a HEAD has no body, so no code of its own.
    let head = client.head_bucket().bucket("missing").send().await;
    assert_eq!(error_of(head), error(404, "NotFound"));
    assert_eq!(server.temporary_files(), 0);
}

#[tokio::test]
async fn a_missing_key_is_an_error() {
    let server = Server::start().await;
    let get = server.client.get_object().bucket(BUCKET).key("key").send().await;
    assert_eq!(error_of(get), error(404, "NoSuchKey"));
    let head = server.client.head_object().bucket(BUCKET).key("key").send().await;
    assert_eq!(error_of(head), error(404, "NotFound"));
}

#[tokio::test]
async fn an_invalid_bucket_name_is_rejected() {
    let server = Server::start().await;
    let create = server.client.create_bucket().bucket("Not_Allowed").send().await;
    assert_eq!(error_of(create), error(400, "InvalidBucketName"));

    let folder = TempDir::new().unwrap();
    let error = Store::open(folder.path(), &["../outside"]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(!folder.path().join("outside").exists());
}

#[tokio::test]
async fn unsupported_requests_get_not_implemented() {
    let server = Server::start().await;
    server.put("key", b"text").await;
    let client = &server.client;
    let missing = error(501, "NotImplemented");
    let put = client.put_object().bucket(BUCKET).key("key").if_match("abc").send().await;
    assert_eq!(error_of(put), missing);
    let put = client.put_object().bucket(BUCKET).key("key").if_none_match("abc").send().await;
    assert_eq!(error_of(put), missing);
    let get = client.get_object().bucket(BUCKET).key("key").if_modified_since(DateTime::from_secs(0)).send().await;
    assert_eq!(error_of(get), missing);
    let get = client.get_object().bucket(BUCKET).key("key").part_number(1).send().await;
    assert_eq!(error_of(get), missing);
    let delete = client.delete_object().bucket(BUCKET).key("key").if_match("abc").send().await;
    assert_eq!(error_of(delete), missing);
    let copy = client.copy_object().bucket(BUCKET).key("copy").copy_source("archive/key");
    assert_eq!(error_of(copy.send().await), missing);
    let version = client.get_object().bucket(BUCKET).key("key").version_id("1").send().await;
    assert_eq!(error_of(version), error(404, "NoSuchVersion"));
    assert_eq!(server.get("key").await, b"text");
}
