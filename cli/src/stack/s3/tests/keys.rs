//! Every key that S3 allows works, and none becomes a path.

use super::*;

#[tokio::test]
async fn any_key_works_and_stays_in_the_folder() {
    let server = Server::start().await;
    let keys = [
        "k".repeat(1000),
        "é".repeat(512),
        "../../../outside".to_owned(),
        "a/../../b".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        "/leading".to_owned(),
        "trailing/".to_owned(),
        "double//slash".to_owned(),
        "%2e%2e%2fencoded".to_owned(),
        "with space + plus & more?=#;:@".to_owned(),
        "Vertrag für Łukasz 契約 🖋.pdf".to_owned(),
        "quarter's \"report\" <1>".to_owned(),
        "back\\slash".to_owned(),
    ];
    for key in &keys {
        server.put(key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(server.get(key).await, key.as_bytes(), "{key}");
    }
    let mut expected = keys.to_vec();
    expected.sort();
    assert_eq!(server.keys().await, expected);

    let names = |folder: PathBuf| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let root = server.folder.path().to_owned();
    assert_eq!(names(root.clone()), ["buckets", "lock", "temporary"]);
    assert_eq!(names(root.join("buckets")), [BUCKET]);
    let files = names(root.join("buckets").join(BUCKET));
    assert_eq!(files.len(), keys.len());
    assert!(files.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit())));

    for key in &keys {
        server.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    assert!(server.keys().await.is_empty());
}

#[tokio::test]
async fn a_key_of_1025_bytes_is_refused() {
    let server = Server::start().await;
    let put = server.client.put_object().bucket(BUCKET).key("k".repeat(1025));
    assert_eq!(error_of(put.send().await), error(400, "KeyTooLongError"));
}

#[tokio::test]
async fn keys_are_case_sensitive() {
    let server = Server::start().await;
    server.put("Key", b"upper").await;
    server.put("key", b"lower").await;
    assert_eq!(server.get("Key").await, b"upper");
}
