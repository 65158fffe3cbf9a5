//! The log: all events in the order of their arrival, in `bus.sqlite` of the data folder.
//!
//! SQLite, because several processes use the file at once: the stack appends, commands read. A committed event survives
//! the end of the process, however it ends.
//!
//! Events are published at least once, so an event may arrive again. The log stores it once, at the position of its first
//! arrival, and counts repetitions. It is the same event if `id` and `trust` are the same: an event that was proven by a
//! token is published again, with the same id, when the service reports it with a signature.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign::publish::DetailType;
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, named_params};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::{Event, Filter, NewEvent};
use crate::owner_only;

const FILE: &str = "bus.sqlite";

/// How long a process waits for another one's transaction. Each takes milliseconds.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position    INTEGER PRIMARY KEY AUTOINCREMENT,
        id          TEXT,
        trust       TEXT NOT NULL,
        source      TEXT NOT NULL,
        detail_type TEXT NOT NULL,
        provider    TEXT,
        time        TEXT NOT NULL,
        detail      TEXT NOT NULL,
        arrivals    INTEGER NOT NULL DEFAULT 1,
        UNIQUE (id, trust)
    );
    CREATE TABLE IF NOT EXISTS forwards (
        target      TEXT PRIMARY KEY,
        label       TEXT NOT NULL,
        state       TEXT NOT NULL,
        position    INTEGER NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        failure     TEXT,
        not_before  TEXT
    );";

const COLUMNS: &str = "position, source, detail_type, time, detail";

/// Why the log can't be used. Carries nothing of an event.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// SQLite's error.
    #[error("the event bus in the data folder: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file can't be created, or isn't ours.
    #[error("the event bus in the data folder: {0}")]
    File(#[from] std::io::Error),
    /// The task that used SQLite was cancelled.
    #[error("the event bus was stopped")]
    Stopped,
}

/// A page of events, latest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// Where the next page continues, if there may be one.
    pub next: Option<String>,
}

/// The log of a data folder. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    connection: Arc<Mutex<Connection>>,
    changed: watch::Sender<u64>,
}

impl Log {
    /// Opens the log in `folder`; creates it if it doesn't exist.
    ///
    /// # Errors
    /// When the file can't be opened or isn't a log.
    pub fn open(folder: &Path) -> Result<Self, BusError> {
        let file = folder.join(FILE);
        owner_only::database(&file)?;
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // As in the embedded DynamoDB: a commit survives the end of the process, but not always a loss of power.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), changed: watch::Sender::new(0) })
    }

    /// Changes with every write of this process.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Appends the events that aren't known yet, all of them or none. A `document.forgotten` erases the file names in earlier
    /// events, as every consumer should.
    ///
    /// # Errors
    /// When SQLite can't store them.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<(), BusError> {
        self.write(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for event in &events {
                transaction.execute(
                    "INSERT INTO events (id, trust, source, detail_type, provider, time, detail)
                     VALUES (:id, :trust, :source, :detail_type, :provider, :time, :detail)
                     ON CONFLICT (id, trust) DO UPDATE SET arrivals = arrivals + 1",
                    named_params! {
                        ":id": event.detail["id"].as_str(),
                        ":trust": event.detail["trust"].as_str().unwrap_or_default(),
                        ":source": event.source,
                        ":detail_type": event.detail_type,
                        ":provider": event.detail["provider"].as_str(),
                        ":time": event.time.to_string(),
                        ":detail": event.detail.to_string(),
                    },
                )?;
                if event.detail_type == DetailType::DocumentForgotten.as_str() {
                    erase_file_names(&transaction, &event.detail)?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// The latest events before the position `before` (a page's `next`), latest first.
    ///
    /// # Errors
    /// When SQLite can't read them.
    pub async fn page(&self, filter: Filter, before: Option<i64>, limit: usize) -> Result<EventPage, BusError> {
        let before = before.unwrap_or(i64::MAX);
        let events = self.select("position < :position", "DESC", before, filter, limit).await?;
        let next = events.last().filter(|_| events.len() == limit).map(|last| last.position.to_string());
        Ok(EventPage { events, next })
    }

    /// The first events after the position `after`, in order.
    ///
    /// # Errors
    /// When SQLite can't read them.
    pub async fn after(&self, after: i64, filter: Filter, limit: usize) -> Result<Vec<Event>, BusError> {
        self.select("position > :position", "ASC", after, filter, limit).await
    }

    /// The position of the last event; 0 if there is none.
    ///
    /// # Errors
    /// When SQLite can't read it.
    pub async fn last_position(&self) -> Result<i64, BusError> {
        let last = "SELECT COALESCE(MAX(position), 0) FROM events";
        self.read(move |connection| connection.query_row(last, [], |row| row.get(0))).await
    }

    /// How often events with this id were put.
    ///
    /// # Errors
    /// When SQLite can't read it.
    pub async fn arrivals(&self, id: &str) -> Result<u64, BusError> {
        let (id, sum) = (id.to_owned(), "SELECT COALESCE(SUM(arrivals), 0) FROM events WHERE id = ?1");
        self.read(move |connection| connection.query_row(sum, [id], |row| row.get(0))).await
    }

    async fn select(
        &self,
        condition: &'static str,
        order: &'static str,
        position: i64,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<Event>, BusError> {
        let query = format!(
            "SELECT {COLUMNS} FROM events
             WHERE {condition} AND (:provider IS NULL OR provider = :provider)
                 AND (:detail_type IS NULL OR detail_type = :detail_type)
             ORDER BY position {order} LIMIT :limit"
        );
        self.read(move |connection| {
            let parameters = named_params! {
                ":position": position,
                ":provider": filter.provider.map(countersign::domain::Provider::as_str),
                ":detail_type": filter.detail_type.map(DetailType::as_str),
                ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
            };
            connection.prepare_cached(&query)?.query_map(parameters, event)?.collect()
        })
        .await
    }

    /// Runs a query on a thread where it may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        let connection = Arc::clone(&self.connection);
        let queried = tokio::task::spawn_blocking(move || {
            // After a panic in another thread the connection is still usable: its transaction was rolled back.
            query(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Ok(queried.await.map_err(|_| BusError::Stopped)??)
    }

    /// Runs a write likewise, and then notifies [`Self::changes`].
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BusError> {
        let changed = self.read(change).await?;
        self.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
        Ok(changed)
    }
}

/// Erases the file names in the events of a subject that was forgotten.
fn erase_file_names(transaction: &Transaction, forgotten: &Value) -> rusqlite::Result<()> {
    let pdfs = "SELECT json_group_array(json(json_remove(value, '$.file_name'))) FROM json_each(detail, '$.pdfs')";
    let update = format!(
        "UPDATE events SET detail = json_set(detail, '$.pdfs', json(({pdfs})))
         WHERE detail_type = :detail_type AND provider = :provider AND json_extract(detail, '$.subject.id') = :id"
    );
    let parameters = named_params! {
        ":detail_type": DetailType::DocumentArchived.as_str(),
        ":provider": forgotten["provider"].as_str(),
        ":id": forgotten["subject"]["id"].as_str(),
    };
    transaction.execute(&update, parameters).map(drop)
}

/// Reads a row with [`COLUMNS`].
fn event(row: &Row) -> rusqlite::Result<Event> {
    let (time, detail): (String, String) = (row.get("time")?, row.get("detail")?);
    Ok(Event {
        position: row.get("position")?,
        source: row.get("source")?,
        detail_type: row.get("detail_type")?,
        time: time.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        detail: serde_json::from_str(&detail).unwrap_or(Value::Null),
    })
}
