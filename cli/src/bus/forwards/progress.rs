//! How many of the events each URL has accepted, stored beside the events.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, named_params};
use serde::Serialize;

use super::Target;
use crate::bus::{BusError, Log};

/// The state of a forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The receiver accepted the last event that was posted.
    Forwarding,
    /// It didn't, and the event is posted again.
    Retrying,
    /// The receiver answered 410 Gone: nothing more is posted.
    Ended,
    /// The stack was last started without this URL.
    Paused,
}

impl State {
    const ALL: [Self; 4] = [Self::Forwarding, Self::Retrying, Self::Ended, Self::Paused];

    /// Its stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarding => "forwarding",
            Self::Retrying => "retrying",
            Self::Ended => "ended",
            Self::Paused => "paused",
        }
    }
}

/// A URL and its progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forward {
    /// The URL without its path and query, which may be a secret.
    pub url: String,
    /// The state.
    pub state: State,
    /// Number of events that it hasn't accepted yet.
    pub waiting: u64,
    /// Failed attempts to post the next event.
    pub attempts: u32,
    /// Why the last attempt failed: a status or a stable code.
    pub failure: Option<String>,
    /// Time of the next attempt, while retrying.
    pub not_before: Option<Timestamp>,
}

impl Log {
    /// Stores the URLs that the stack was started with. A new one begins after the last event. All others are paused.
    ///
    /// # Errors
    /// When SQLite can't store them.
    pub async fn set_targets(&self, targets: &[Target]) -> Result<(), BusError> {
        let targets = targets.to_owned();
        self.write(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("UPDATE forwards SET state = ?1", [State::Paused.as_str()])?;
            for target in &targets {
                transaction.execute(
                    "INSERT INTO forwards (target, label, state, position)
                     SELECT :target, :label, :state, COALESCE(MAX(position), 0) FROM events WHERE true
                     ON CONFLICT (target) DO UPDATE
                     SET state = :state, attempts = 0, failure = NULL, not_before = NULL",
                    named_params! {
                        ":target": target.key(),
                        ":label": target.label(),
                        ":state": State::Forwarding.as_str(),
                    },
                )?;
            }
            transaction.commit()
        })
        .await
    }

    /// All URLs and their progress.
    ///
    /// # Errors
    /// When SQLite can't read them.
    pub async fn forwards(&self) -> Result<Vec<Forward>, BusError> {
        let query = "SELECT label, state, attempts, failure, not_before,
                            (SELECT COUNT(*) FROM events WHERE events.position > forwards.position) AS waiting
                     FROM forwards ORDER BY rowid";
        self.read(move |connection| connection.prepare_cached(query)?.query_map([], forward)?.collect()).await
    }

    /// The position of the last event that a URL has accepted.
    pub(super) async fn forwarded_to(&self, target: &Target) -> Result<i64, BusError> {
        let key = target.key().to_owned();
        let query = "SELECT position FROM forwards WHERE target = ?1";
        let position = self.read(move |connection| connection.query_row(query, [key], |row| row.get(0)).optional());
        Ok(position.await?.unwrap_or(0))
    }

    /// Stores that a URL has accepted the event at `position`.
    pub(super) async fn accepted(&self, target: &Target, position: i64) -> Result<(), BusError> {
        self.store(target, State::Forwarding, Some(position), 0, None, None).await
    }

    /// Stores that a URL didn't accept the next event.
    pub(super) async fn not_accepted(
        &self,
        target: &Target,
        attempts: u32,
        failure: String,
        not_before: Timestamp,
    ) -> Result<(), BusError> {
        self.store(target, State::Retrying, None, attempts, Some(failure), Some(not_before)).await
    }

    /// Stores that a URL wants no more events.
    pub(super) async fn ended(&self, target: &Target, failure: &str) -> Result<(), BusError> {
        self.store(target, State::Ended, None, 1, Some(failure.to_owned()), None).await
    }

    async fn store(
        &self,
        target: &Target,
        state: State,
        position: Option<i64>,
        attempts: u32,
        failure: Option<String>,
        not_before: Option<Timestamp>,
    ) -> Result<(), BusError> {
        let key = target.key().to_owned();
        self.write(move |connection| {
            let update = "UPDATE forwards SET state = :state, position = COALESCE(:position, position),
                              attempts = :attempts, failure = :failure, not_before = :not_before
                          WHERE target = :target";
            let parameters = named_params! {
                ":target": key,
                ":state": state.as_str(),
                ":position": position,
                ":attempts": attempts,
                ":failure": failure,
                ":not_before": not_before.map(|time| time.to_string()),
            };
            connection.prepare_cached(update)?.execute(parameters).map(drop)
        })
        .await
    }
}

fn forward(row: &Row) -> rusqlite::Result<Forward> {
    let state: String = row.get("state")?;
    let not_before: Option<String> = row.get("not_before")?;
    Ok(Forward {
        url: row.get("label")?,
        state: State::ALL.into_iter().find(|known| known.as_str() == state).unwrap_or(State::Paused),
        waiting: row.get("waiting")?,
        attempts: row.get("attempts")?,
        failure: row.get("failure")?,
        not_before: not_before.and_then(|time| time.parse().ok()),
    })
}
