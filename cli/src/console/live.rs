//! Live updates: `GET /live?view=<path and query>` sends the view over server-sent events, and again whenever its
//! content has changed.
//!
//! In the local stack the pipe, which reads the table's stream anyway, notifies of each write, and the bus of each event. For other stacks, and
//! for content that changes only with time, the view is also rendered at a fixed interval. Without open pages nothing
//! is rendered.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Query, State},
    http::{StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    Console,
    view::{Problem, View},
};

/// Delay after the first notification of a change. A callback makes several writes, which appear in one update.
const DEBOUNCE: Duration = Duration::from_millis(60);

#[derive(Deserialize)]
pub struct Parameters {
    view: String,
}

struct Watched {
    console: Console,
    view: View,
    sent: Option<String>,
    changes: Option<watch::Receiver<u64>>,
    stopping: watch::Receiver<bool>,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

/// `GET /live`
pub async fn serve(State(console): State<Console>, Query(parameters): Query<Parameters>) -> Response {
    let view = parameters.view.parse::<Uri>().map_err(|_| Problem::NotFound("Page not found."));
    let view = match view.and_then(|uri| View::parse(&uri)) {
        Ok(view) => view,
        Err(problem) => return (problem.status(), problem.to_string()).into_response(),
    };
    let Ok(place) = console.live.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many open pages").into_response();
    };
    let (changes, stopping) = (view.changes(&console), console.options.stopping.clone());
    let watched = Watched { console, view, sent: None, changes, stopping, is_first: true, _place: place };
    let events = stream::unfold(watched, |mut watched| async move {
        let event = watched.next().await?;
        Some((Ok::<_, Infallible>(event), watched))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Watched {
    /// The next event; `None` when the console shuts down.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if !std::mem::take(&mut self.is_first) && !self.wait().await {
                return None;
            }
            if let Some(changes) = &mut self.changes {
                changes.mark_unchanged();
            }
            // JSON, so that a line break in external data can't end the event's line.
            let event = match self.view.render(&self.console).await {
                Ok(page) => {
                    let html = page.live.into_string();
                    if self.sent.as_ref() == Some(&html) {
                        continue;
                    }
                    let event = Event::default().event("view").json_data(&html);
                    self.sent = Some(html);
                    event
                }
                Err(problem) => {
                    self.sent = None;
                    Event::default().event("problem").json_data(problem.to_string())
                }
            };
            return event.ok();
        }
    }

    /// Waits for a change or the polling interval; `false` when the console shuts down.
    async fn wait(&mut self) -> bool {
        let (poll, changes) = (self.console.options.poll, &mut self.changes);
        let changed = async {
            let notified = match changes {
                Some(changes) => changes.changed().await.is_ok(),
                None => false,
            };
            // There is no source of notifications, or it has ended because the stack shuts down.
            if !notified {
                return std::future::pending().await;
            }
            tokio::time::sleep(DEBOUNCE).await;
        };
        tokio::select! {
            () = changed => true,
            () = tokio::time::sleep(poll) => true,
            _ = self.stopping.wait_for(|stop| *stop) => false,
        }
    }
}
