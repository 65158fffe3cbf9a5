//! What is in table and bucket.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use bytes::Bytes;
use countersign::{
    aws::Aws,
    domain::Subject,
    ledger::{Item, Ledger, PARTITION_KEY, SORT_KEY, Timeline},
    timeline::timeline,
};
use countersign_cli::stack::{BUCKET, STORAGE, Stack, TABLE, TEMPORARY_BUCKET};

use percent_encoding::percent_decode_str;

use super::{Embedded, deliveries::services};

/// The bucket in which the product has this key.
#[must_use]
pub fn bucket_of(key: &str) -> &'static str {
    let is_temporary = key.starts_with("quarantine/") || key.starts_with("pending/");
    if is_temporary { TEMPORARY_BUCKET } else { BUCKET }
}

/// Reads and changes the table and buckets of any entry point, past the functions.
#[expect(async_fn_in_trait, reason = "for the tests' own types, whose futures are known to be Send")]
pub trait Stored {
    /// Clients of DynamoDB and S3.
    fn aws(&self) -> &Aws;

    /// The ledger.
    fn ledger(&self) -> Ledger {
        Ledger::new(self.aws(), STORAGE)
    }

    /// The timeline of a subject, which must be known, without payloads that only the deliveries have.
    async fn timeline(&self, subject: &Subject) -> Timeline {
        self.ledger().timeline(subject).await.expect("the ledger").expect("a known subject")
    }

    /// The timeline of a subject, which must be known, with all payloads.
    async fn timeline_with_payloads(&self, subject: &Subject) -> Timeline {
        let timeline = timeline(&self.ledger(), &services(), subject).await;
        timeline.expect("the ledger").expect("a known subject")
    }

    /// All items of the table.
    async fn items(&self) -> Vec<Item> {
        let scan = self.aws().dynamodb.scan().table_name(TABLE).into_paginator().items();
        let items: Result<Vec<_>, _> = scan.send().collect().await;
        items.expect("a scan").into_iter().map(Into::into).collect()
    }

    /// All items but those of rejected requests: rings, which hold nothing of the request, and quarantine.
    async fn items_without_rejections(&self) -> Vec<Item> {
        let mut items = self.items().await;
        items.retain(|item| {
            let partition = item.text(PARTITION_KEY).expect("a key");
            if partition.starts_with("RING#") {
                let mut names: Vec<_> = item.clone().into_attributes().into_keys().collect();
                names.sort_unstable();
                let expected = ["at", "cause", "expires_at", "pk", "refused", "route", "size", "sk"];
                assert_eq!(names, expected, "a ring's entry has exactly these attributes");
            }
            !partition.starts_with("RING#") && !partition.starts_with("QUARANTINE#")
        });
        items
    }

    /// Sets an attribute of an item, which needn't exist.
    async fn set_attribute(&self, partition: &str, sort: &str, name: &str, value: AttributeValue) {
        let update = self.aws().dynamodb.update_item().table_name(TABLE);
        let update = update.key(PARTITION_KEY, AttributeValue::S(partition.to_owned()));
        let update = update.key(SORT_KEY, AttributeValue::S(sort.to_owned()));
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.expect("an update");
    }

    /// Removes an attribute of an item.
    async fn remove_attribute(&self, partition: &str, sort: &str, name: &str) {
        let update = self.aws().dynamodb.update_item().table_name(TABLE);
        let update = update.key(PARTITION_KEY, AttributeValue::S(partition.to_owned()));
        let update = update.key(SORT_KEY, AttributeValue::S(sort.to_owned()));
        let update = update.update_expression("REMOVE #name").expression_attribute_names("#name", name);
        update.send().await.expect("an update");
    }

    /// Deletes an item.
    async fn delete_item(&self, partition: &str, sort: &str) {
        let delete = self.aws().dynamodb.delete_item().table_name(TABLE);
        let delete = delete.key(PARTITION_KEY, AttributeValue::S(partition.to_owned()));
        delete.key(SORT_KEY, AttributeValue::S(sort.to_owned())).send().await.expect("a deletion");
    }

    /// The keys of all objects in both buckets.
    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for bucket in [BUCKET, TEMPORARY_BUCKET] {
            let pages = self.aws().s3.list_objects_v2().bucket(bucket).into_paginator().send();
            let pages: Result<Vec<_>, _> = pages.collect().await;
            for page in pages.expect("a list") {
                keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
            }
        }
        keys
    }

    /// The bytes of an object.
    async fn object(&self, key: &str) -> Bytes {
        let object = self.aws().s3.get_object().bucket(bucket_of(key)).key(key).send().await;
        object.expect("an object").body.collect().await.expect("its bytes").into_bytes()
    }

    /// All items with their values, as text.
    async fn items_text(&self) -> String {
        let items: Vec<_> = self.items().await.into_iter().map(Item::into_attributes).collect();
        format!("{items:?}")
    }

    /// Everything that is stored, as text: items, with the bytes in them, and all versions of all objects.
    async fn everything(&self) -> String {
        let mut all = String::new();
        for item in self.items().await {
            let attributes = item.into_attributes();
            all.push_str(&format!("{attributes:?}"));
            attributes.values().for_each(|value| push_bytes(&mut all, value));
        }
        for (key, version) in self.versions().await {
            all.push_str(&key);
            let get = self.aws().s3.get_object().bucket(bucket_of(&key)).key(&key).version_id(version);
            let object = get.send().await.expect("an object").body.collect().await.expect("its bytes");
            all.push_str(&String::from_utf8_lossy(&object.into_bytes()));
        }
        all
    }

    /// The keys and ids of all versions of all objects, without delete markers.
    async fn versions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for bucket in [BUCKET, TEMPORARY_BUCKET] {
            let page = self.aws().s3.list_object_versions().bucket(bucket).send().await.expect("a list");
            assert_ne!(page.is_truncated, Some(true), "more than one page");
            let versions = page.versions.into_iter().flatten();
            found.extend(versions.map(|version| (version.key.expect("a key"), version.version_id.expect("an id"))));
        }
        found
    }

    /// Those of these texts that are stored anywhere, as they are, percent-encoded or in base64 or base64url.
    async fn stored_of(&self, texts: &[&'static str]) -> Vec<&'static str> {
        let all = self.everything().await;
        texts.iter().copied().filter(|text| occurs(&all, text)).collect()
    }

    /// Writes an object.
    async fn put_object(&self, key: &str, body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        self.aws().s3.put_object().bucket(bucket_of(key)).key(key).body(body.into()).send().await.expect("a write");
    }

    /// Deletes an object.
    async fn delete_object(&self, key: &str) {
        self.aws().s3.delete_object().bucket(bucket_of(key)).key(key).send().await.expect("a deletion");
    }
}

/// Whether a text contains another one, as it is, percent-encoded or in base64 or base64url.
fn occurs(all: &str, text: &str) -> bool {
    // The text may begin at any of three positions in a group of base64. Characters at its ends also depend on the bytes
    // around it.
    let mut in_base64 = [BASE64_STANDARD, BASE64_URL_SAFE].into_iter().flat_map(|engine| {
        [(0, 0), (1, 2), (2, 3)].map(|(before, mixed)| {
            let encoded = engine.encode([&vec![b' '; before], text.as_bytes()].concat());
            encoded[mixed..encoded.trim_end_matches('=').len() - 1].to_owned()
        })
    });
    // Which characters are percent-encoded, and whether in capitals, depends on the encoder.
    all.contains(text)
        || percent_decode_str(all).decode_utf8_lossy().contains(text)
        || in_base64.any(|encoded| all.contains(&encoded))
}

/// Appends the bytes within a value.
fn push_bytes(to: &mut String, value: &AttributeValue) {
    let mut push = |bytes: &Blob| to.push_str(&String::from_utf8_lossy(bytes.as_ref()));
    match value {
        AttributeValue::B(bytes) => push(bytes),
        AttributeValue::Bs(set) => set.iter().for_each(push),
        AttributeValue::L(list) => list.iter().for_each(|value| push_bytes(to, value)),
        AttributeValue::M(map) => map.values().for_each(|value| push_bytes(to, value)),
        _ => {}
    }
}

impl Stored for Embedded {
    fn aws(&self) -> &Aws {
        &self.aws
    }
}

impl Stored for Stack {
    fn aws(&self) -> &Aws {
        &self.aws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_encoding_and_position() {
        let text = "bob.private@example.com";
        for stored in
            [text, "%20bob%2Eprivate%40example%2Ecom", "bob%2eprivate%40example.com", "bob.private%40example.com"]
        {
            assert!(occurs(stored, text), "{stored}");
        }
        // In base64 it has the characters that differ in base64url.
        let with_symbols = "??>~bob>>~private??";
        assert_ne!(BASE64_STANDARD.encode(with_symbols), BASE64_URL_SAFE.encode(with_symbols));
        for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
            for (before, after) in [("", ""), ("a", ""), ("ab", "c"), ("abc", "de")] {
                for text in [text, with_symbols] {
                    let stored = engine.encode(format!("{before}{text}{after}"));
                    assert!(occurs(&stored, text), "{before} {text} {after}");
                }
            }
            assert!(!occurs(&engine.encode("rob.private@example.com"), text));
        }
    }
}
