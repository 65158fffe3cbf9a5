//! ListObjectsV2.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::*;

fn keys(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents().iter().map(|object| object.key().unwrap()).collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    page.common_prefixes().iter().map(|common| common.prefix().unwrap()).collect()
}

async fn with(keys: &[&str]) -> Server {
    let server = Server::start().await;
    for key in keys {
        server.put(key, key.as_bytes()).await;
    }
    server
}

#[tokio::test]
async fn pages_follow_one_another_in_the_order_of_bytes() {
    let names: Vec<String> = (0..7).map(|number| format!("key {number}")).collect();
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.extend(["B", "a", "é"]);
    let server = with(&expected).await;
    expected.sort_unstable();

    let mut found: Vec<String> = Vec::new();
    let mut sizes = Vec::new();
    let mut token = None;
    loop {
        let list = server.client.list_objects_v2().bucket(BUCKET).max_keys(4);
        let page = list.set_continuation_token(token).send().await.unwrap();
        sizes.push(page.key_count().unwrap());
        found.extend(keys(&page).iter().map(ToString::to_string));
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            break;
        }
        // A delete between two pages doesn't matter, even of the last key seen.
        let last = found.last().unwrap();
        server.client.delete_object().bucket(BUCKET).key(last).send().await.unwrap();
    }
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_entry_has_the_same_metadata_as_a_head() {
    let server = with(&["key"]).await;
    let list = server.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let head = server.client.head_object().bucket(BUCKET).key("key").send().await.unwrap();
    let [entry] = list.contents() else { panic!("{list:?}") };
    assert_eq!(entry.size(), Some(3));
    assert_eq!(entry.e_tag(), head.e_tag());
    assert_eq!(entry.last_modified().unwrap().secs(), head.last_modified().unwrap().secs());
}

#[tokio::test]
async fn lists_by_prefix_delimiter_and_start_after() {
    let server = with(&["a", "b/", "b/1", "b/2/x", "b/2/y", "b/3", "c/1", "d"]).await;
    let list = || server.client.list_objects_v2().bucket(BUCKET);

    let page = list().delimiter("/").send().await.unwrap();
    assert_eq!(keys(&page), ["a", "d"]);
    assert_eq!(prefixes(&page), ["b/", "c/"]);
    assert_eq!(page.key_count(), Some(4));

    let page = list().prefix("b/").delimiter("/").send().await.unwrap();
    assert_eq!(keys(&page), ["b/", "b/1", "b/3"]);
    assert_eq!(prefixes(&page), ["b/2/"]);

    let page = list().prefix("b/2").send().await.unwrap();
    assert_eq!(keys(&page), ["b/2/x", "b/2/y"]);

    let page = list().start_after("b/3").send().await.unwrap();
    assert_eq!(keys(&page), ["c/1", "d"]);

    let page = list().prefix("nothing").send().await.unwrap();
    assert_eq!((keys(&page), page.is_truncated()), (vec![], Some(false)));
}

#[tokio::test]
async fn a_common_prefix_is_listed_once_even_if_a_page_ends_with_it() {
    let server = with(&["a/1", "a/2", "a/3", "b"]).await;
    let list = || server.client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(1);
    let first = list().send().await.unwrap();
    assert_eq!((keys(&first), prefixes(&first)), (vec![], vec!["a/"]));
    let second = list().continuation_token(first.next_continuation_token().unwrap());
    let second = second.send().await.unwrap();
    assert_eq!((keys(&second), prefixes(&second)), (vec!["b"], vec![]));
    assert_eq!(second.is_truncated(), Some(false));
}

#[tokio::test]
async fn max_keys_zero_gives_an_empty_page() {
    let server = with(&["a"]).await;
    let page = server.client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((keys(&page), page.is_truncated()), (vec![], Some(false)));
}

#[tokio::test]
async fn names_are_encoded_on_request() {
    let server = with(&["a b/ü\u{1}"]).await;
    let list = server.client.list_objects_v2().bucket(BUCKET).prefix("a b");
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(keys(&page), ["a%20b/%C3%BC%01"]);
    assert_eq!(page.prefix(), Some("a%20b"));
}

#[tokio::test]
async fn invalid_arguments_are_rejected() {
    let server = Server::start().await;
    let list = || server.client.list_objects_v2().bucket(BUCKET);
    let token = list().continuation_token("*").send().await;
    assert_eq!(error_of(token), error(400, "InvalidArgument"));
    let negative = list().max_keys(-1).send().await;
    assert_eq!(error_of(negative), error(400, "InvalidArgument"));
}

#[tokio::test]
async fn foreign_files_in_the_folder_are_ignored() {
    let server = with(&["a"]).await;
    let folder = server.folder.path().join("buckets").join(BUCKET);
    fs::write(folder.join(".DS_Store"), "x").unwrap();
    assert_eq!(server.keys().await, ["a"]);
}
