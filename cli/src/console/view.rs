//! Views: the content of a page, determined by its URL. A page and its live updates are renderings of the same view.

use std::collections::HashMap;

use axum::http::{StatusCode, Uri};
use countersign::{
    domain::{DeliveryId, Kind, LedgerError, Outcome, Provider, Subject, SubjectId, SubjectKind},
    ledger::{ArchiveState, DeliveryFilter},
    time,
};
use jiff::civil::Date;
use maud::Markup;
use tokio::sync::watch;

use super::{Console, pages};
use crate::bus::{self, BusError};

/// The content of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// A day's deliveries.
    Deliveries {
        /// The day in UTC. `None`: today, at the time of rendering.
        day: Option<Date>,
        filter: DeliveryFilter,
        after: Option<String>,
    },
    /// One delivery.
    Delivery(DeliveryId),
    /// Documents and packs.
    Documents { provider: Option<Provider>, status: Option<Kind>, after: Option<String> },
    /// One subject's timeline.
    Timeline(Subject),
    /// Archive jobs in this state. `None`: all that aren't archived.
    Archive(Option<ArchiveState>),
    /// Events on the bus, before a position in its log if one is given.
    Events { filter: bus::Filter, before: Option<i64> },
    /// Rejected requests.
    Quarantine(Option<Provider>),
    /// One rejected request in quarantine.
    Quarantined(DeliveryId),
    /// The buttons that send callbacks.
    Trigger,
}

/// A rendered view.
pub struct Page {
    /// Its title.
    pub title: String,
    /// The part that never changes while the page is open.
    pub head: Markup,
    /// The part that is rendered again on changes.
    pub live: Markup,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The URL leads to nothing.
    #[error("{0}")]
    NotFound(&'static str),
    /// The URL or a form's field is invalid.
    #[error("{0}")]
    BadRequest(&'static str),
    /// A replayed request was rejected again.
    #[error("{0}")]
    Rejected(String),
    /// The console isn't allowed to do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The table or the bucket can't be read or written.
    #[error("the table or the bucket is unavailable at the moment: {0}")]
    Ledger(#[from] LedgerError),
    /// The bus can't be read.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}

impl Problem {
    /// The HTTP status of the response.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Rejected(_) => StatusCode::CONFLICT,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Ledger(_) | Self::Bus(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The value of a filter. An absent or empty value means no filter, because a form sends all its fields.
fn read<T>(
    query: &HashMap<String, String>,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match query.get(name).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => parse(text).map(Some).ok_or(Problem::BadRequest("a filter in this URL has an invalid value")),
    }
}

/// A subject from a URL: `<provider>/<kind>/<id>`.
pub fn subject(provider: &str, kind: &str, id: &str) -> Option<Subject> {
    Some(Subject { provider: provider.parse().ok()?, kind: kind.parse().ok()?, id: SubjectId::parse(id).ok()? })
}

impl View {
    /// The view at a URL. Only path and query matter.
    pub fn parse(uri: &Uri) -> Result<Self, Problem> {
        let query: HashMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let provider = || read(&query, "provider", |name| name.parse().ok());
        let text = |name| read(&query, name, |text| Some(text.to_owned()));
        let segments: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        match segments.as_slice() {
            [""] => Ok(Self::Deliveries {
                day: read(&query, "day", |day| day.parse().ok())?,
                filter: DeliveryFilter { provider: provider()?, outcome: read(&query, "outcome", Outcome::parse)? },
                after: text("after")?,
            }),
            ["deliveries", id] => id.parse().map(Self::Delivery).map_err(|_| Problem::NotFound("Delivery not found.")),
            ["documents"] => Ok(Self::Documents {
                provider: provider()?,
                status: read(&query, "status", |name| Kind::parse(name).filter(|kind| kind.rank().is_some()))?,
                after: text("after")?,
            }),
            ["documents", provider, kind, id] => subject(provider, kind, id)
                .map(Self::Timeline)
                .ok_or(Problem::NotFound("Document, pack or signer not found.")),
            ["archive"] => Ok(Self::Archive(read(&query, "state", ArchiveState::parse)?)),
            ["events"] => Ok(Self::Events {
                filter: bus::Filter {
                    provider: provider()?,
                    detail_type: read(&query, "type", |name| name.parse().ok())?,
                },
                before: read(&query, "after", |position| position.parse().ok())?,
            }),
            ["quarantine"] => Ok(Self::Quarantine(provider()?)),
            ["quarantine", id] => {
                id.parse().map(Self::Quarantined).map_err(|_| Problem::NotFound("This request isn't in quarantine."))
            }
            ["trigger"] => Ok(Self::Trigger),
            _ => Err(Problem::NotFound("Page not found.")),
        }
    }

    /// Renders the view with the current data.
    pub async fn render(&self, console: &Console) -> Result<Page, Problem> {
        match self {
            Self::Deliveries { day, filter, after } => {
                let today: Option<Date> = time::format(time::now())[..10].parse().ok();
                let day = day.or(today).ok_or(Problem::BadRequest("a day must be in the format 2026-11-22"))?;
                pages::deliveries::render(console, day, today, *filter, after.as_deref()).await
            }
            Self::Delivery(id) => pages::delivery::render(console, id).await,
            Self::Documents { provider, status, after } => {
                pages::documents::render(console, *provider, *status, after.as_deref()).await
            }
            Self::Timeline(subject) => pages::timeline::render(console, subject).await,
            Self::Archive(state) => pages::archive::render(console, *state).await,
            Self::Events { filter, before } => {
                let bus = console.options.bus.as_ref();
                let bus = bus.ok_or(Problem::NotFound("A deployed stack's events are on its EventBridge bus."))?;
                pages::events::render(bus, *filter, *before).await
            }
            Self::Quarantine(provider) => pages::quarantine::render(console, *provider).await,
            Self::Quarantined(id) => pages::quarantined::render(console, id).await,
            Self::Trigger => pages::trigger::render(console),
        }
    }

    /// Notifies of what may change its content, if there is a source of such notifications.
    pub fn changes(&self, console: &Console) -> Option<watch::Receiver<u64>> {
        match self {
            Self::Events { .. } => console.options.bus.as_ref().map(bus::Log::changes),
            _ => console.options.changes.clone(),
        }
    }

    /// Whether its content can change while the page is open.
    pub const fn is_live(&self) -> bool {
        !matches!(self, Self::Trigger)
    }

    /// The path of its entry in the navigation.
    pub const fn tab(&self) -> &'static str {
        match self {
            Self::Deliveries { .. } | Self::Delivery(_) => "/",
            Self::Documents { .. } | Self::Timeline(_) => "/documents",
            Self::Archive(_) => "/archive",
            Self::Events { .. } => "/events",
            Self::Quarantine(_) | Self::Quarantined(_) => "/quarantine",
            Self::Trigger => "/trigger",
        }
    }
}

/// The path of a subject's timeline.
pub fn timeline_path(provider: Provider, kind: SubjectKind, id: &str) -> String {
    // Encoded, so that an external id with special characters leads to no page instead of to another page.
    let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    let id = id.to_string().replace("%2D", "-").replace("%5F", "_");
    format!("/documents/{provider}/{}/{id}", kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<View, StatusCode> {
        View::parse(&uri.parse().unwrap()).map_err(|problem| problem.status())
    }

    #[test]
    fn valid_urls_are_parsed() {
        assert_eq!(parse("/?outcome=&provider=").unwrap(), parse("/").unwrap());
        assert_eq!(
            parse("/?day=2026-11-22&outcome=set_aside&provider=signeasy").unwrap(),
            View::Deliveries {
                day: Some(jiff::civil::date(2026, 11, 22)),
                filter: DeliveryFilter { provider: Some(Provider::Signeasy), outcome: Some(Outcome::SetAside) },
                after: None,
            }
        );
        assert_eq!(parse("/archive?state=failed").unwrap(), View::Archive(Some(ArchiveState::Failed)));
        assert_eq!(parse("/quarantine?provider=").unwrap(), View::Quarantine(None));
        assert_eq!(parse("/quarantine?provider=signeasy").unwrap(), View::Quarantine(Some(Provider::Signeasy)));
        let subject = subject("quicklysign", "document_pack", "a-b_9").unwrap();
        let path = timeline_path(subject.provider, subject.kind, subject.id.as_str());
        assert_eq!(path, "/documents/quicklysign/document_pack/a-b_9");
        assert_eq!(parse(&path).unwrap(), View::Timeline(subject));
    }

    #[test]
    fn invalid_urls_are_rejected() {
        for (uri, status) in [
            ("/?day=yesterday", 400),
            ("/?outcome=lost", 400),
            ("/documents?status=updated", 400),
            ("/archive?state=lost", 400),
            ("/deliveries/1", 404),
            ("/quarantine/1", 404),
            ("/quarantine?provider=other", 400),
            ("/documents/quicklysign/document_pack/%2e%2e", 404),
            ("/documents/other/document/a", 404),
            ("/elsewhere", 404),
        ] {
            assert_eq!(parse(uri).map_err(|status| status.as_u16()), Err(status), "{uri}");
        }
    }

    #[test]
    fn an_id_is_encoded_as_one_path_segment() {
        let path = timeline_path(Provider::Legalesign, SubjectKind::Signer, "../a?b#c%/é");
        assert_eq!(path.matches('/').count(), 4, "{path}");
        assert!(!path.contains(['?', '#', '.']), "{path}");
    }
}
