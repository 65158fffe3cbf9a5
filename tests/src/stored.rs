//! What is in a table and a bucket.

use bytes::Bytes;
use countersign::{aws::Aws, ledger::Item};

/// All items of the table.
pub async fn items(aws: &Aws, table: &str) -> Vec<Item> {
    let scan = aws.dynamodb.scan().table_name(table).into_paginator().items();
    let items: Result<Vec<_>, _> = scan.send().collect().await;
    items.expect("a scan").into_iter().map(Into::into).collect()
}

/// All items but the traces of what was refused: rings, of which nothing was kept, and quarantine.
pub async fn believed(aws: &Aws, table: &str) -> Vec<Item> {
    let mut items = items(aws, table).await;
    items.retain(|item| {
        let partition = item.text("pk").expect("a key");
        if partition.starts_with("RING#") {
            let mut names: Vec<_> = item.clone().into_attributes().into_keys().collect();
            names.sort_unstable();
            assert_eq!(
                names,
                ["at", "cause", "expires_at", "pk", "refused", "route", "size", "sk"],
                "no more than that"
            );
        }
        !partition.starts_with("RING#") && !partition.starts_with("QUARANTINE#")
    });
    items
}

/// The keys of all objects in the bucket.
pub async fn keys(aws: &Aws, bucket: &str) -> Vec<String> {
    let pages: Result<Vec<_>, _> = aws.s3.list_objects_v2().bucket(bucket).into_paginator().send().collect().await;
    let pages = pages.expect("a list");
    pages.iter().flat_map(|page| page.contents()).filter_map(|object| object.key().map(str::to_owned)).collect()
}

/// The bytes of an object in the bucket.
pub async fn object(aws: &Aws, bucket: &str, key: &str) -> Bytes {
    let object = aws.s3.get_object().bucket(bucket).key(key).send().await;
    object.expect("an object").body.collect().await.expect("its bytes").into_bytes()
}
