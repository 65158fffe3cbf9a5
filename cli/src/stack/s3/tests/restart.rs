//! What is there after the process has ended, in whatever way.

use tokio::net::TcpStream;

use super::*;

/// The file of the bucket's only object.
fn only_file(folder: &TempDir) -> PathBuf {
    let mut files = fs::read_dir(folder.path().join("buckets").join(BUCKET)).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[tokio::test]
async fn objects_and_buckets_survive_a_restart() {
    let server = Server::start().await;
    server.client.create_bucket().bucket("another").send().await.unwrap();
    let put = server.client.put_object().bucket(BUCKET).key("ключ");
    put.body(ByteStream::from_static(b"hello"))
        .content_type("application/pdf")
        .metadata("provider", "signeasy")
        .checksum_sha256(sha256(b"hello"))
        .send()
        .await
        .unwrap();
    let before = server.client.head_object().bucket(BUCKET).key("ключ").send().await.unwrap();

    let server = Server::open(server.stop().await).await;
    server.client.head_bucket().bucket("another").send().await.unwrap();
    assert_eq!(server.keys().await, ["ключ"]);
    let get = server.client.get_object().bucket(BUCKET).key("ключ").send().await.unwrap();
    assert_eq!(get.content_type(), Some("application/pdf"));
    assert_eq!(get.metadata().unwrap()["provider"], "signeasy");
    assert_eq!(get.checksum_sha256(), Some(sha256(b"hello").as_str()));
    assert_eq!(get.e_tag(), before.e_tag());
    assert_eq!(get.last_modified(), before.last_modified());
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"hello");

    // The precondition includes objects of an earlier run.
    let put = server.client.put_object().bucket(BUCKET).key("ключ").if_none_match("*");
    assert_eq!(error_of(put.send().await), error(412, "PreconditionFailed"));
}

/// A process that is killed leaves temporary files: truncated anywhere, or complete but not yet renamed.
#[tokio::test]
async fn temporary_files_of_a_killed_process_are_deleted() {
    let server = Server::start().await;
    server.put("key", b"text").await;
    let folder = server.stop().await;
    let temporary = folder.path().join("temporary");
    fs::write(temporary.join(".tmpCut"), "the beginn").unwrap();
    fs::copy(only_file(&folder), temporary.join(".tmpComplete")).unwrap();

    let server = Server::open(folder).await;
    assert_eq!(server.temporary_files(), 0);
    assert_eq!(server.keys().await, ["key"]);
    assert_eq!(server.get("key").await, b"text");
}

#[tokio::test]
async fn temporary_files_of_another_process_are_kept() {
    let first = Server::start().await;
    let body = first.temporary().join(".tmpUnderWay");
    fs::write(&body, "the beginning").unwrap();
    let second = Server::open(Arc::clone(&first.folder)).await;
    assert!(body.exists());

    // Both see the same objects, and the file system decides between them.
    first.put("key", b"text").await;
    let put = second.client.put_object().bucket(BUCKET).key("key").if_none_match("*");
    assert_eq!(error_of(put.send().await), error(412, "PreconditionFailed"));
    assert_eq!(second.get("key").await, b"text");
}

#[tokio::test]
async fn a_damaged_file_is_an_internal_error() {
    let server = Server::start().await;
    server.put("key", b"some text").await;
    let file = only_file(&server.folder);
    let whole = fs::read(&file).unwrap();
    let flipped_length = [&whole[..whole.len() - 1], &[0xff]].concat();
    let missing_middle = [&whole[..4], &whole[5..]].concat();
    for damaged in [&whole[..whole.len() - 1], &whole[..5], b"", &flipped_length, &missing_middle] {
        fs::write(&file, damaged).unwrap();
        let get = server.client.get_object().bucket(BUCKET).key("key").send().await;
        assert_eq!(error_of(get), error(500, "InternalError"));
        let list = server.client.list_objects_v2().bucket(BUCKET).send().await;
        assert_eq!(error_of(list), error(500, "InternalError"));
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(server.get("key").await, b"some text");
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_the_server_from_ending() {
    let server = Server::start().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    // The SDK keeps its connection open for the next request.
    server.put("key", b"text").await;
    let address = server.address;
    let client = server.client.clone();
    server.stop().await;
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(client.head_bucket().bucket(BUCKET).send().await.is_err());
}

#[tokio::test]
async fn a_response_in_flight_is_finished_at_shutdown() {
    let server = Server::start().await;
    let body = pattern(8 << 20);
    server.put("key", &body).await;
    let get = server.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    let (received, _) = tokio::join!(get.body.collect(), server.stop());
    assert!(received.unwrap().to_vec() == body);
}
