//! The table: keys, index, stream and expiry as the ledger uses them.

use countersign::ledger::{EXPIRES_AT, INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY, PARTITION_KEY, SORT_KEY};
use countersign_cli::stack::TABLE;
use serde_json::{Value, json};

use super::{
    deployed::Deployed,
    template::{Template, root},
};

fn keys(partition: &str, sort: &str) -> Value {
    json!([{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}])
}

#[test]
fn the_table_has_the_keys_that_the_ledger_uses() {
    let template = Template::read();
    let table = template.resource("Table");
    assert_eq!(table.property("/KeySchema"), &keys(PARTITION_KEY, SORT_KEY));
    let index = table.property("/GlobalSecondaryIndexes");
    assert_eq!(index.as_array().map(Vec::len), Some(1));
    assert_eq!(index[0]["IndexName"], INDEX);
    assert_eq!(index[0]["KeySchema"], keys(INDEX_PARTITION_KEY, INDEX_SORT_KEY));
    let attributes = [PARTITION_KEY, SORT_KEY, INDEX_PARTITION_KEY, INDEX_SORT_KEY]
        .map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    assert_eq!(table.property("/AttributeDefinitions"), &Value::from(attributes.to_vec()));
    assert_eq!(table.property("/TimeToLiveSpecification"), &json!({"AttributeName": EXPIRES_AT, "Enabled": true}));
    assert_eq!(table.property("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled"), true);
}

#[tokio::test]
async fn the_local_stack_creates_the_same_table() {
    let template = Template::read();
    let deployed = template.resource("Table");
    let embedded = Deployed::start().await;
    let local = embedded.aws.dynamodb.describe_table().table_name(TABLE).send().await.expect("an answer");
    let local = local.table().expect("a table");
    let schema = |schema: &[aws_sdk_dynamodb::types::KeySchemaElement]| -> Value {
        schema
            .iter()
            .map(|key| json!({"AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str()}))
            .collect()
    };
    assert_eq!(&schema(local.key_schema()), deployed.property("/KeySchema"));
    let [index] = local.global_secondary_indexes() else { panic!("one index") };
    let deployed_index = deployed.property("/GlobalSecondaryIndexes/0");
    assert_eq!(index.index_name(), deployed_index["IndexName"].as_str());
    assert_eq!(schema(index.key_schema()), deployed_index["KeySchema"]);
    let projection = index.projection().and_then(|projection| projection.projection_type()).expect("a projection");
    assert_eq!(projection.as_str(), deployed_index["Projection"]["ProjectionType"]);
    let view = local.stream_specification().and_then(|stream| stream.stream_view_type()).expect("a stream");
    assert_eq!(view.as_str(), deployed.property("/StreamSpecification/StreamViewType"));
    let expiry = embedded.aws.dynamodb.describe_time_to_live().table_name(TABLE).send().await.expect("an answer");
    let expiry = expiry.time_to_live_description().and_then(|expiry| expiry.attribute_name());
    assert_eq!(expiry, deployed.property("/TimeToLiveSpecification/AttributeName").as_str());
}

/// The names in backquotes of a Markdown table's row.
fn names(row: &str) -> impl Iterator<Item = &str> {
    row.split('`').skip(1).step_by(2)
}

#[test]
fn docs_for_readers_of_the_table_name_only_items_and_attributes_that_exist() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).expect("a file");
    let (docs, code) = (read("docs/table.md"), read("shared/src/ledger/keys.rs"));
    let chart: String = code.lines().filter(|line| line.starts_with("//!")).collect();
    let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `sk`")).collect();
    assert!(rows.len() > 5);
    for row in rows {
        for name in names(row) {
            let name = name.split('#').next().unwrap_or_default();
            assert!(chart.contains(&format!("`{name}`")) || chart.contains(&format!("`{name}#")), "{name} in {row}");
        }
    }
}
