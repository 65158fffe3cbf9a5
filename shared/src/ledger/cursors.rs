//! Cursors: how far the reconciliation of a service has come.

use jiff::Timestamp;

use super::{
    Item, Ledger,
    keys::{self, attribute},
};
use crate::domain::LedgerError;

/// How far the reconciliation of a service has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Only what changed after this time is queried; everything if it is `None`.
    pub since: Option<Timestamp>,
    /// When the current pass began.
    pub pass_began_at: Option<Timestamp>,
    /// The current pass's offset in the service's list.
    pub offset: u64,
    /// The current pass's place in our own list.
    pub place: Option<String>,
    /// The service isn't queried before this time.
    pub not_before: Option<Timestamp>,
}

impl Ledger {
    /// Reads a cursor. One that was never written is at the beginning.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn cursor(&self, name: &str) -> Result<Cursor, LedgerError> {
        let item = self.table.get(&keys::cursor(name), keys::CURSOR).await?.unwrap_or_default();
        Ok(Cursor {
            since: item.optional_time("since"),
            pass_began_at: item.optional_time("pass_began_at"),
            offset: item.number("offset").unwrap_or_default(),
            place: item.text("place").map(str::to_owned),
            not_before: item.optional_time(attribute::NOT_BEFORE),
        })
    }

    /// Writes a cursor.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn set_cursor(&self, name: &str, cursor: &Cursor) -> Result<(), LedgerError> {
        let set = Item::default()
            .with_some("since", cursor.since)
            .with_some("pass_began_at", cursor.pass_began_at)
            .with("offset", cursor.offset)
            .with_some("place", cursor.place.as_deref())
            .with_some(attribute::NOT_BEFORE, cursor.not_before);
        let absent = ["since", "pass_began_at", "place", attribute::NOT_BEFORE];
        let absent: Vec<&str> = absent.into_iter().filter(|name| set.attribute(name).is_none()).collect();
        let update = self.table.update(&keys::cursor(name), keys::CURSOR).set_all(set);
        absent.into_iter().fold(update, |update, name| update.remove(name)).send().await.map(drop)
    }
}
