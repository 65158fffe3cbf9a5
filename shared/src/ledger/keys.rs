//! The keys of the table: this file builds and parses every partition key, sort key and index key.
//!
//! | Item | Partition key | Sort key | Written by | Index entry |
//! |---|---|---|---|---|
//! | Status of a subject | `<provider>#<kind>#<id>` | `STATE` | `status`, `reported`, `aliases`, `webhooks`, `erasure` | `DOCUMENT#<provider>#<shard>` / `<status>#<time>#<id>`, for documents and packs |
//! | Archive job of a document | `<provider>#<kind>#<id>` | `ARCHIVE` | `archive_jobs`, `erasure` | `ARCHIVE#<state>#<shard>` / `<time>#<partition key>` |
//! | Event | `<provider>#<kind>#<id>` | `EVENT#<time>#<event id>` | `events`, `reported`, `erasure` | |
//! | Archived PDF | `<provider>#<kind>#<id>` | `PDF#<document>#<role>#<sha256>` | `pdfs`, `erasure` | |
//! | Delivery about a subject that was set aside | `<provider>#<kind>#<id>` | `ASIDE#<delivery id>` | `deliveries`, `erasure` | |
//! | Signer of a document | `<provider>#document#<id>` | `SIGNER#<signer id>` | `signers`, `reported` | |
//! | Documents of a signer | `<provider>#signer#<id>` | `DOCUMENTS` | `signers` | |
//! | Delivery | `DELIVERY#<id>` | `DELIVERY` | `deliveries`, `erasure` | `ACCEPTED#<shard>` / `<time>#<id>` while it is accepted, else `DELIVERY#<day>#<shard>` / `<time>#<id>` |
//! | Rejected request with a valid path token | `QUARANTINE#<id>` | `QUARANTINE` | `quarantine` | `QUARANTINE#<shard>` / `<time>#<id>` until it is replayed |
//! | Rejected request without one | `RING#<provider>` | `<slot>`, `00` to `99` | `quarantine` | |
//! | Certificate | `CERT#<fingerprint>` | `CERT` | `certificates` | |
//! | Webhook | `WEBHOOK#<provider>#<key>` | `WEBHOOK` | `webhooks` | |
//! | Correlation key | `CLUE#<provider>#<key>` | `CLUE` | `aliases` | |
//! | Cursor of reconciliation | `CURSOR#<name>` | `CURSOR` | `cursors` | |
//!
//! Attributes by item (index entries aside):
//! - `STATE`: `progress`, `status`, `trust`, `occurred_at`, `time_source`, `updated_at`, `terminals` (set),
//!   `reported:<status>#<trust>` (one for each status that was reported); the API's report: `confirmed_status`,
//!   `confirmed_at`, `missing_status`, `missing_since`; aliases: `signed_file`, `request`, `signed_files` (set),
//!   `candidates` (set); `forgotten_at`.
//! - `ARCHIVE`: `state`, `reason`, `attempts`, `not_before`, `requested_at`, `due_since`, `settled_at`, `blocked_host`,
//!   `second_look`, `revision`, `claim` (end of the lease), `requests` (set), `source_event`, `delivery`, `complete`,
//!   `groups` (list), `version:<document>#<role>` (one for each current PDF), `new_pdfs`, `forgotten_at`.
//! - `EVENT#…`: `id`, `kind`, `name`, `value`, `occurred_at`, `time_source`, `received_at`, `trust`, `source`,
//!   `delivery`, `deliveries` (set), `position`, `foreign`, `note`, `payload` (only of an entry of a batch; `null` once it
//!   is erased), `forgotten_at`.
//! - `PDF#…`: `document`, `role`, `key`, `size`, `sha256`, `archived_at`, `version`, `source_event`, `signatures` (JSON),
//!   `forgotten_at`.
//! - `ASIDE#…`: `received_at`.
//! - `SIGNER#…`: `signer`, `level`, `confirmed_status`, `confirmed_at`. `DOCUMENTS`: `documents` (set).
//! - `DELIVERY`: `provider`, `route`, `received_at`, `headers` (map), `event`, `size`, `sha256`, `body` or `body_key`,
//!   `trust`, `token`, `certificate`, `body_token`, `groups` (list), `unknown_subscription`, `outcome`, `reason`, `events`,
//!   `unreadable`, `unreadable_entries` (list), `finished_at`, `forgotten_at`.
//! - `QUARANTINE`: `provider`, `route`, `received_at`, `headers` (map), `event`, `size`, `sha256`, `body` or `body_key`,
//!   `reason`, `cause`, `token`, `expires_at`, `taken_in_at`.
//! - `RING#…`: `at`, `route`, `cause`, `size`, `refused`, `expires_at`.
//! - `CERT`: `pem`, `known_since`, `not_before`, `not_after`. `WEBHOOK`: `entity`, `known_since`.
//! - `CLUE`: `requests`, `files` (sets of `<id> <mark>`).
//! - `CURSOR`: `since`, `pass_began_at`, `offset`, `place`, `not_before`.
//!
//! [`Subject::partition`] builds the partition key of a subject, [`Event::sort_key`](crate::domain::Event::sort_key) the
//! sort key of an event. Times are written by [`time::format`], so that text order is time order.

use jiff::Timestamp;

use super::{ArchiveState, table::Item};
use crate::{
    domain::{CorrelationKey, DeliveryId, Kind, LedgerError, Provider, Role, Subject, SubjectId, Trust},
    proof::signature::Fingerprint,
    time,
};

/// The table's partition key.
pub const PARTITION_KEY: &str = "pk";
/// The table's sort key.
pub const SORT_KEY: &str = "sk";
/// The attribute by which DynamoDB expires items. Only rejected requests have it: proven data never expires.
pub const EXPIRES_AT: &str = "expires_at";
/// The index's name.
pub const INDEX: &str = "gsi1";
/// The index's partition key.
pub const INDEX_PARTITION_KEY: &str = "gsi1pk";
/// The index's sort key.
pub const INDEX_SORT_KEY: &str = "gsi1sk";

/// Sort key of a subject's status.
pub(super) const STATE: &str = "STATE";
/// Sort key of a subject's archive job.
pub(super) const ARCHIVE: &str = "ARCHIVE";
/// Sort key of the list of documents that a signer signs.
pub(super) const DOCUMENTS: &str = "DOCUMENTS";
/// Sort key of a delivery.
pub(super) const DELIVERY: &str = "DELIVERY";
/// Sort key of a rejected request with a valid path token.
pub(super) const QUARANTINE: &str = "QUARANTINE";
/// Sort key of a certificate.
pub(super) const CERTIFICATE: &str = "CERT";
/// Sort key of a webhook.
pub(super) const WEBHOOK: &str = "WEBHOOK";
/// Sort key of a correlation key.
pub(super) const CORRELATION: &str = "CLUE";
/// Sort key of a cursor.
pub(super) const CURSOR: &str = "CURSOR";

/// Prefix of the sort keys of events.
pub(super) const EVENT_PREFIX: &str = "EVENT#";
/// Prefix of the sort keys of archived PDFs.
pub(super) const PDF_PREFIX: &str = "PDF#";
/// Prefix of the sort keys of deliveries that were set aside, in the partition of a subject that they are about.
pub(super) const ASIDE_PREFIX: &str = "ASIDE#";
/// Prefix of the sort keys of a document's signers.
pub(super) const SIGNER_PREFIX: &str = "SIGNER#";
/// Prefix of the attributes of an archive job that hold the version of a current PDF, by slot.
pub(super) const VERSION_PREFIX: &str = "version:";
/// Prefix of the attributes of a status that hold the time of a reported status, by status and trust.
pub(super) const REPORTED_PREFIX: &str = "reported:";

/// Attributes that more than one file uses.
pub(super) mod attribute {
    pub(in crate::ledger) const ATTEMPTS: &str = "attempts";
    pub(in crate::ledger) const BLOCKED_HOST: &str = "blocked_host";
    pub(in crate::ledger) const BODY: &str = "body";
    pub(in crate::ledger) const BODY_KEY: &str = "body_key";
    pub(in crate::ledger) const CANDIDATES: &str = "candidates";
    pub(in crate::ledger) const CLAIM: &str = "claim";
    pub(in crate::ledger) const COMPLETE: &str = "complete";
    pub(in crate::ledger) const CONFIRMED_AT: &str = "confirmed_at";
    pub(in crate::ledger) const CONFIRMED_STATUS: &str = "confirmed_status";
    pub(in crate::ledger) const DELIVERIES: &str = "deliveries";
    pub(in crate::ledger) const DELIVERY: &str = "delivery";
    pub(in crate::ledger) const DUE_SINCE: &str = "due_since";
    pub(in crate::ledger) const EVENT: &str = "event";
    pub(in crate::ledger) const FOREIGN: &str = "foreign";
    pub(in crate::ledger) const FILE_NAME: &str = "file_name";
    pub(in crate::ledger) const FORGOTTEN_AT: &str = "forgotten_at";
    pub(in crate::ledger) const GROUPS: &str = "groups";
    pub(in crate::ledger) const HEADERS: &str = "headers";
    pub(in crate::ledger) const ID: &str = "id";
    pub(in crate::ledger) const KIND: &str = "kind";
    pub(in crate::ledger) const KNOWN_SINCE: &str = "known_since";
    pub(in crate::ledger) const LEVEL: &str = "level";
    pub(in crate::ledger) const NAME: &str = "name";
    pub(in crate::ledger) const NEW_PDFS: &str = "new_pdfs";
    pub(in crate::ledger) const NOT_BEFORE: &str = "not_before";
    pub(in crate::ledger) const NOTE: &str = "note";
    pub(in crate::ledger) const OCCURRED_AT: &str = "occurred_at";
    pub(in crate::ledger) const OUTCOME: &str = "outcome";
    pub(in crate::ledger) const PAYLOAD: &str = "payload";
    pub(in crate::ledger) const POSITION: &str = "position";
    pub(in crate::ledger) const PROGRESS: &str = "progress";
    pub(in crate::ledger) const PROVIDER: &str = "provider";
    pub(in crate::ledger) const REASON: &str = "reason";
    pub(in crate::ledger) const RECEIVED_AT: &str = "received_at";
    pub(in crate::ledger) const REQUEST: &str = "request";
    pub(in crate::ledger) const REQUESTED_AT: &str = "requested_at";
    pub(in crate::ledger) const REQUESTS: &str = "requests";
    pub(in crate::ledger) const REVISION: &str = "revision";
    pub(in crate::ledger) const ROUTE: &str = "route";
    pub(in crate::ledger) const SECOND_LOOK: &str = "second_look";
    pub(in crate::ledger) const SETTLED_AT: &str = "settled_at";
    pub(in crate::ledger) const SHA256: &str = "sha256";
    pub(in crate::ledger) const SIGNATURES: &str = "signatures";
    pub(in crate::ledger) const SIGNED_FILE: &str = "signed_file";
    pub(in crate::ledger) const SIGNED_FILES: &str = "signed_files";
    pub(in crate::ledger) const SIZE: &str = "size";
    pub(in crate::ledger) const SOURCE: &str = "source";
    pub(in crate::ledger) const SOURCE_EVENT: &str = "source_event";
    pub(in crate::ledger) const STATE: &str = "state";
    pub(in crate::ledger) const STATUS: &str = "status";
    pub(in crate::ledger) const TERMINALS: &str = "terminals";
    pub(in crate::ledger) const TIME_SOURCE: &str = "time_source";
    pub(in crate::ledger) const TOKEN: &str = "token";
    pub(in crate::ledger) const TRUST: &str = "trust";
    pub(in crate::ledger) const UPDATED_AT: &str = "updated_at";
    pub(in crate::ledger) const VALUE: &str = "value";
}

/// Partition key of a delivery.
pub(super) fn delivery(id: &DeliveryId) -> String {
    format!("DELIVERY#{id}")
}

/// Parses [`delivery`].
pub(super) fn parse_delivery(partition: &str) -> Result<DeliveryId, LedgerError> {
    parse_id(partition, "DELIVERY#")
}

/// Partition key of a rejected request with a valid path token.
pub(super) fn quarantine(id: &DeliveryId) -> String {
    format!("QUARANTINE#{id}")
}

/// Parses [`quarantine`].
pub(super) fn parse_quarantine(partition: &str) -> Result<DeliveryId, LedgerError> {
    parse_id(partition, "QUARANTINE#")
}

fn parse_id(partition: &str, prefix: &str) -> Result<DeliveryId, LedgerError> {
    let id = partition.strip_prefix(prefix).and_then(|id| id.parse().ok());
    id.ok_or(LedgerError::Corrupt { attribute: PARTITION_KEY })
}

/// Parses [`Subject::partition`].
pub(super) fn parse_subject(partition: &str) -> Result<Subject, LedgerError> {
    partition.parse().map_err(|_| LedgerError::Corrupt { attribute: PARTITION_KEY })
}

/// Partition key of the ring of a provider's rejected requests without a valid path token.
pub(super) fn ring(provider: Provider) -> String {
    format!("RING#{provider}")
}

/// Sort key of a slot of a ring.
pub(super) fn ring_slot(slot: i64) -> String {
    format!("{slot:02}")
}

/// Partition key of a certificate.
pub(super) fn certificate(fingerprint: &Fingerprint) -> String {
    format!("CERT#{fingerprint}")
}

/// Partition key of a webhook.
pub(super) fn webhook(provider: Provider, key: &SubjectId) -> String {
    format!("WEBHOOK#{provider}#{key}")
}

/// Partition key of a correlation key.
pub(super) fn correlation(key: &CorrelationKey) -> String {
    format!("CLUE#{}#{}", key.provider, key.key)
}

/// Partition key of a cursor.
pub(super) fn cursor(name: &str) -> String {
    format!("CURSOR#{name}")
}

/// Sort key of a delivery that was set aside, in the partition of a subject that it is about.
pub(super) fn aside(id: &DeliveryId) -> String {
    format!("{ASIDE_PREFIX}{id}")
}

/// The time in the sort key of an event ([`Event::sort_key`](crate::domain::Event::sort_key)); `None` if it has none.
pub(super) fn time_of_event(sort: &str) -> Option<Timestamp> {
    sort.strip_prefix(EVENT_PREFIX)?.split('#').next()?.parse().ok()
}

/// Parses [`aside`].
pub(super) fn parse_aside(sort: &str) -> Option<DeliveryId> {
    sort.strip_prefix(ASIDE_PREFIX)?.parse().ok()
}

/// Sort key of a document's signer.
pub(super) fn signer(id: &SubjectId) -> String {
    format!("{SIGNER_PREFIX}{id}")
}

/// The slot that the versions of one document in one role share: `<document>#<role>`.
pub(super) fn slot(document: &str, role: Role) -> String {
    format!("{document}#{}", role.as_str())
}

/// Prefix of the sort keys of the PDFs in a slot.
pub(super) fn pdfs_of(slot: &str) -> String {
    format!("{PDF_PREFIX}{slot}#")
}

/// The id of one of the documents that came in a zip in place of one: `<document>-<number>`.
pub(super) fn member(document: &str, number: u32) -> String {
    format!("{document}-{number}")
}

/// The number of a [`member`]. Another document may have such an id as well, but not with leading zeros or a sign.
pub(super) fn member_number(document: &str, id: &str) -> Option<u32> {
    let number = id.strip_prefix(document)?.strip_prefix('-')?.parse().ok()?;
    (member(document, number) == id).then_some(number)
}

/// Prefix of the sort keys of the PDFs of a document's members.
pub(super) fn pdfs_of_members(document: &str) -> String {
    format!("{PDF_PREFIX}{document}-")
}

/// Sort key of an archived PDF.
pub(super) fn pdf(document: &str, role: Role, sha256: &str) -> String {
    format!("{}{sha256}", pdfs_of(&slot(document, role)))
}

/// The attribute of an archive job that holds the version of the current PDF in a slot.
pub(super) fn version(slot: &str) -> String {
    format!("{VERSION_PREFIX}{slot}")
}

/// The attribute of a status that holds when a status was reached, by the first report with this trust.
pub(super) fn reported(status: Kind, trust: Trust) -> String {
    format!("{REPORTED_PREFIX}{}#{}", status.as_str(), trust.as_str())
}

/// Number of index partitions of a list. A partition takes 1,000 writes a second, so a list takes this many thousands.
const SHARDS: usize = 8;

/// A list that the index keeps. It is sharded, since "everything of one provider in one status" would be one hot
/// partition; to read it, all shards are queried and merged.
#[derive(Clone, Debug)]
pub(super) enum List {
    /// A provider's documents and packs, by status and time.
    Documents(Provider),
    /// The finished deliveries of a day (`2026-11-22`), by time.
    Deliveries(String),
    /// Deliveries that are left to the sweep, or being recorded, by time.
    Accepted,
    /// Archive jobs of a state, by the time at which they entered it, or at which they are due again.
    Archive(ArchiveState),
    /// Rejected requests that are kept, by time.
    Quarantine,
}

impl List {
    fn partition(&self, shard: usize) -> String {
        match self {
            Self::Documents(provider) => format!("DOCUMENT#{provider}#{shard}"),
            Self::Deliveries(day) => format!("DELIVERY#{day}#{shard}"),
            Self::Accepted => format!("ACCEPTED#{shard}"),
            Self::Archive(state) => format!("ARCHIVE#{}#{shard}", state.as_str()),
            Self::Quarantine => format!("QUARANTINE#{shard}"),
        }
    }

    /// The partition keys of all its shards.
    pub(super) fn partitions(&self) -> Vec<String> {
        (0..SHARDS).map(|shard| self.partition(shard)).collect()
    }

    /// The index's attributes of an item in this list. `key` spreads items over the shards.
    fn entry(&self, key: &str, sort: String) -> Item {
        // FNV-1a: stable forever, which the standard library's hasher doesn't promise.
        let hash = key
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        Item::default().with(INDEX_PARTITION_KEY, self.partition(shard)).with(INDEX_SORT_KEY, sort)
    }
}

/// Prefix of the index sort keys of documents with this status; `-` stands for an unknown one.
pub(super) fn status_prefix(status: Option<Kind>) -> String {
    format!("{}#", status.map_or("-", Kind::as_str))
}

/// The index entry of a document or pack.
pub(super) fn listed_document(subject: &Subject, status: Option<Kind>, at: Timestamp) -> Item {
    let sort = format!("{}{}#{}", status_prefix(status), time::format(at), subject.id);
    List::Documents(subject.provider).entry(subject.id.as_str(), sort)
}

/// The index entry of a delivery whose recording hasn't finished.
pub(super) fn listed_accepted(id: &DeliveryId, received_at: Timestamp) -> Item {
    List::Accepted.entry(id.as_str(), time_and_id(id, received_at))
}

/// The index entry of a finished delivery.
pub(super) fn listed_delivery(id: &DeliveryId, received_at: Timestamp) -> Item {
    List::Deliveries(day(received_at)).entry(id.as_str(), time_and_id(id, received_at))
}

/// The index entry of a rejected request that is kept.
pub(super) fn listed_quarantine(id: &DeliveryId, received_at: Timestamp) -> Item {
    List::Quarantine.entry(id.as_str(), time_and_id(id, received_at))
}

/// The index entry of an archive job.
pub(super) fn listed_job(partition: &str, state: ArchiveState, at: Timestamp) -> Item {
    List::Archive(state).entry(partition, format!("{}#{partition}", time::format(at)))
}

fn time_and_id(id: &DeliveryId, at: Timestamp) -> String {
    format!("{}#{id}", time::format(at))
}

/// The UTC day of a time: `2026-11-22`.
pub(super) fn day(at: Timestamp) -> String {
    time::format(at)[..10].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SubjectKind;

    fn entry(item: &Item) -> (&str, &str) {
        (item.text(INDEX_PARTITION_KEY).unwrap(), item.text(INDEX_SORT_KEY).unwrap())
    }

    #[test]
    fn index_entries_never_change() {
        let at = "2026-11-22T02:27:06.123Z".parse().unwrap();
        let id: DeliveryId = "019abcde-0000-7000-8000-000000000000".parse().unwrap();
        let subject =
            Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id: SubjectId::parse("a").unwrap() };
        // FNV-1a of "a" is af63dc4c8601ec8c.
        let sent = listed_document(&subject, Some(Kind::Sent), at);
        assert_eq!(entry(&sent), ("DOCUMENT#signeasy#4", "sent#2026-11-22T02:27:06.123Z#a"));
        let unknown = listed_document(&subject, None, at);
        assert_eq!(entry(&unknown), ("DOCUMENT#signeasy#4", "-#2026-11-22T02:27:06.123Z#a"));
        let (partition, sort) = (&listed_delivery(&id, at), format!("2026-11-22T02:27:06.123Z#{id}"));
        assert!(entry(partition).0.starts_with("DELIVERY#2026-11-22#"));
        assert_eq!(entry(partition).1, sort);
    }

    #[test]
    fn ids_read_back_from_partition_keys() {
        let id: DeliveryId = "019abcde-0000-7000-8000-000000000000".parse().unwrap();
        assert_eq!(parse_delivery(&delivery(&id)), Ok(id.clone()));
        assert_eq!(parse_quarantine(&quarantine(&id)), Ok(id.clone()));
        assert_eq!(parse_delivery(&quarantine(&id)), Err(LedgerError::Corrupt { attribute: PARTITION_KEY }));
    }

    #[test]
    fn a_pdf_is_found_by_its_slot() {
        assert_eq!(pdf("d", Role::AuditLog, "00"), "PDF#d#audit_log#00");
        assert!(pdf("d", Role::AuditLog, "00").starts_with(&pdfs_of("d#audit_log")));
        assert!(pdf(&member("d", 12), Role::Document, "00").starts_with(&pdfs_of_members("d")));
        assert_eq!(member_number("d", &member("d", 12)), Some(12));
        for other in ["d", "d-", "d-x", "d-+1", "d-01", "e-1", "d-1-1"] {
            assert_eq!(member_number("d", other), None, "{other}");
        }
    }
}
