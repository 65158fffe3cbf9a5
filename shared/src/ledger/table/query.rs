//! Single items, the items of a partition, and scans of the index.

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use futures::FutureExt;

use super::{Item, Table, unavailable};
use crate::{
    domain::LedgerError,
    ledger::keys::{INDEX, PARTITION_KEY, SORT_KEY},
};

impl Table {
    /// Reads one item, consistently; `None` if it doesn't exist.
    pub(in crate::ledger) async fn get(&self, partition: &str, sort: &str) -> Result<Option<Item>, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, AttributeValue::S(partition.to_owned()))
            .key(SORT_KEY, AttributeValue::S(sort.to_owned()))
            .consistent_read(true)
            .send();
        let output = output.boxed().await.map_err(unavailable("GetItem"))?;
        Ok(output.item.map(Item::from))
    }

    /// Reads all items of a partition whose sort key starts with `prefix`, in order, consistently.
    pub(in crate::ledger) async fn partition(&self, partition: &str, prefix: &str) -> Result<Vec<Item>, LedgerError> {
        let query = self.client.query().table_name(&self.name).consistent_read(true);
        let query = query
            .expression_attribute_names("#p", PARTITION_KEY)
            .expression_attribute_values(":p", AttributeValue::S(partition.to_owned()));
        let query = if prefix.is_empty() {
            query.key_condition_expression("#p = :p")
        } else {
            query
                .key_condition_expression("#p = :p AND begins_with(#s, :s)")
                .expression_attribute_names("#s", SORT_KEY)
                .expression_attribute_values(":s", AttributeValue::S(prefix.to_owned()))
        };
        let items: Result<Vec<_>, _> = query.into_paginator().items().send().collect().await;
        Ok(items.map_err(unavailable("Query"))?.into_iter().map(Item::from).collect())
    }

    /// The partition keys of all items in the index with this sort key. Reads the whole index.
    pub(in crate::ledger) async fn scan_index(&self, sort: &str) -> Result<Vec<String>, LedgerError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.name)
            .index_name(INDEX)
            .filter_expression("#s = :s")
            .expression_attribute_names("#s", SORT_KEY)
            .expression_attribute_values(":s", AttributeValue::S(sort.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut partitions = Vec::new();
        while let Some(item) = pages.next().await {
            let item = Item::from(item.map_err(unavailable("Scan"))?);
            partitions.push(item.need(PARTITION_KEY)?.to_owned());
        }
        Ok(partitions)
    }

    /// Puts an item. Overwrites an existing one.
    pub(in crate::ledger) async fn put(&self, item: Item) -> Result<(), LedgerError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item.into_attributes()));
        put.send().boxed().await.map(drop).map_err(unavailable("PutItem"))
    }

    /// Puts an item unless its partition and sort key are taken; `false` if they are.
    pub(in crate::ledger) async fn put_new(&self, item: Item) -> Result<bool, LedgerError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.into_attributes()))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .send();
        match put.boxed().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable("PutItem")(error)),
        }
    }
}
