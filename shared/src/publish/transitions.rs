//! Which events a change gives. A pure function, so that the same change always gives the same events.
//!
//! A status gives an event when it is reported for the first time, whatever the subject's status is by then: if a document
//! is reported as completed before it is reported as sent, its status never becomes `sent`, but both events are published.
//! So the set of events doesn't depend on the order in which callbacks arrive, nor on which of them share a write.

use jiff::Timestamp;

use super::{DetailType, PublishedEvent, id};
use crate::{
    domain::{Kind, Outcome, Subject, SubjectKind},
    ledger::{ArchiveJob, ArchiveState, Change, StatusImage},
    time,
};

/// The events of a change that was recorded at `recorded_at`. Those of an archive job still lack what only other items
/// know: the status and the PDFs.
pub(super) fn events(change: &Change, recorded_at: Timestamp) -> Vec<PublishedEvent> {
    match change {
        Change::Status { subject, before, after } => status_events(subject, before, after, recorded_at),
        Change::Job { subject, before, after } => {
            job_event(subject, before.as_deref(), after.as_deref(), recorded_at).into_iter().collect()
        }
        Change::Delivery { id, provider, before, after, reason } => {
            let is_new = *after == Outcome::SetAside && *before != Some(Outcome::SetAside);
            let event = is_new.then(|| {
                let detail_type = DetailType::DeliverySetAside;
                let event_id = id::id(id.as_str(), detail_type, &[]);
                let mut event = PublishedEvent::new(detail_type, *provider, id.into(), event_id, recorded_at);
                event.detail.reason.clone_from(reason);
                event
            });
            event.into_iter().collect()
        }
    }
}

/// The type of event for a status of this kind of subject, if there is one.
const fn detail_type(subject: SubjectKind, status: Kind) -> Option<DetailType> {
    Some(match (subject, status) {
        (SubjectKind::Signer, Kind::Viewed) => DetailType::SignerViewed,
        (SubjectKind::Signer, Kind::Signed) => DetailType::SignerSigned,
        (SubjectKind::Signer, Kind::Declined) => DetailType::SignerDeclined,
        (SubjectKind::Signer, _) | (_, Kind::Draft | Kind::Updated | Kind::Reminded) => return None,
        (_, Kind::Sent) => DetailType::DocumentSent,
        (_, Kind::Viewed) => DetailType::DocumentViewed,
        (_, Kind::Signed) => DetailType::DocumentSigned,
        (_, Kind::Completed) => DetailType::DocumentCompleted,
        (_, Kind::Declined) => DetailType::DocumentDeclined,
        (_, Kind::Voided) => DetailType::DocumentVoided,
        (_, Kind::Expired) => DetailType::DocumentExpired,
        (_, Kind::Removed) => DetailType::DocumentRemoved,
    })
}

fn status_events(
    subject: &Subject,
    before: &StatusImage,
    after: &StatusImage,
    recorded_at: Timestamp,
) -> Vec<PublishedEvent> {
    let event = |detail_type, more: &[&str]| {
        let mut event = of_subject(subject, detail_type, more, recorded_at);
        event.detail.status = after.status;
        event.detail.confirmed_at = after.confirmed_at;
        event
    };
    let mut events = Vec::new();
    for (kind, report) in &after.reports {
        let previous_trust = before.reports.get(kind).map(|before| before.trust);
        let is_new = previous_trust.is_none_or(|previous| report.trust.is_stronger_than(previous));
        if let Some(detail_type) = detail_type(subject.kind, *kind).filter(|_| is_new) {
            let mut event = event(detail_type, &[]);
            event.detail.trust = Some(report.trust);
            event.detail.previous_trust = previous_trust;
            event.detail.occurred_at = Some(report.occurred_at);
            events.push(event);
        }
    }
    if subject.kind.has_documents() && after.is_conflict() && !before.is_conflict() {
        events.push(event(DetailType::DocumentConflict, &[]));
    }
    if let Some(at) = after.forgotten_at.filter(|_| after.forgotten_at != before.forgotten_at) {
        let is_document = subject.kind.has_documents();
        let detail_type = if is_document { DetailType::DocumentForgotten } else { DetailType::SignerForgotten };
        events.push(event(detail_type, &[&time::format(at)]));
    }
    events
}

fn job_event(
    subject: &Subject,
    before: Option<&ArchiveJob>,
    after: Option<&ArchiveJob>,
    recorded_at: Timestamp,
) -> Option<PublishedEvent> {
    let after = after?;
    let detail_type = match after.state {
        ArchiveState::Archived if before.is_some_and(|before| before.new_pdfs) => DetailType::DocumentArchived,
        ArchiveState::Failed => DetailType::DocumentArchiveFailed,
        ArchiveState::Blocked => DetailType::DocumentArchiveBlocked,
        _ => return None,
    };
    if before.is_some_and(|before| before.state == after.state) {
        return None;
    }
    let reason = after.reason.as_deref();
    let more: Vec<&str> = reason.into_iter().chain(id::content(&after.versions)).collect();
    let mut event = of_subject(subject, detail_type, &more, recorded_at);
    event.detail.reason = after.reason.clone();
    Some(event)
}

fn of_subject(subject: &Subject, detail_type: DetailType, more: &[&str], recorded_at: Timestamp) -> PublishedEvent {
    let id = id::id(&subject.partition(), detail_type, more);
    PublishedEvent::new(detail_type, subject.provider, subject.into(), id, recorded_at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        domain::{DeliveryId, Provider, SubjectId, Trust},
        ledger::{CurrentVersion, Report},
        publish::EventSubject,
    };

    fn at(second: u8) -> Timestamp {
        format!("2026-11-22T02:27:{second:02}Z").parse().unwrap()
    }

    fn subject(kind: SubjectKind) -> Subject {
        Subject { provider: Provider::Signeasy, kind, id: SubjectId::parse("1").unwrap() }
    }

    fn image(status: Option<Kind>, reports: &[(Kind, Trust)]) -> StatusImage {
        let reports = reports.iter().map(|(kind, trust)| (*kind, Report { trust: *trust, occurred_at: at(1) }));
        StatusImage { status, reports: reports.collect(), ..StatusImage::default() }
    }

    fn status_change(kind: SubjectKind, before: &StatusImage, after: &StatusImage) -> Vec<PublishedEvent> {
        let change = Change::Status { subject: subject(kind), before: before.clone(), after: after.clone() };
        events(&change, at(9))
    }

    fn types(events: &[PublishedEvent]) -> Vec<&'static str> {
        events.iter().map(|event| event.detail_type.as_str()).collect()
    }

    fn job(state: ArchiveState, new_pdfs: bool, sha256: &str) -> ArchiveJob {
        let current = CurrentVersion { version: "1".to_owned(), sha256: sha256.to_owned() };
        let mut job = ArchiveJob::new(subject(SubjectKind::Document), state);
        job.versions = BTreeMap::from([("d#document".to_owned(), current)]);
        job.new_pdfs = new_pdfs;
        job
    }

    fn job_change(before: Option<ArchiveJob>, after: Option<ArchiveJob>) -> Vec<PublishedEvent> {
        let (before, after) = (before.map(Box::new), after.map(Box::new));
        events(&Change::Job { subject: subject(SubjectKind::Document), before, after }, at(9))
    }

    #[test]
    fn a_status_is_published_when_it_is_first_reported_even_if_it_is_not_the_last() {
        let nothing = StatusImage::default();
        let completed = image(Some(Kind::Completed), &[(Kind::Completed, Trust::Token)]);
        let both = image(Some(Kind::Completed), &[(Kind::Sent, Trust::Token), (Kind::Completed, Trust::Token)]);
        let sent = image(Some(Kind::Sent), &[(Kind::Sent, Trust::Token)]);
        let changed = |before, after| status_change(SubjectKind::Document, before, after);
        assert_eq!(types(&changed(&nothing, &completed)), ["document.completed"]);
        let late = changed(&completed, &both);
        assert_eq!(types(&late), ["document.sent"]);
        assert_eq!(late[0].detail.status, Some(Kind::Completed));
        assert_eq!((late[0].detail.occurred_at, late[0].time), (Some(at(1)), at(9)));
        assert_eq!(types(&changed(&nothing, &both)), ["document.sent", "document.completed"]);
        let in_order = [changed(&nothing, &sent), changed(&sent, &both)].concat();
        let ids = |events: &[PublishedEvent]| {
            events.iter().map(|event| event.detail.id.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids(&in_order), ids(&changed(&nothing, &both)));
        assert!(changed(&both, &both).is_empty());
    }

    #[test]
    fn a_signature_publishes_what_a_token_reported_again_with_the_same_id() {
        let nothing = StatusImage::default();
        let by = |trust| image(Some(Kind::Completed), &[(Kind::Completed, trust)]);
        let (token, signature) = (by(Trust::Token), by(Trust::Signature));
        let changed = |before, after| status_change(SubjectKind::DocumentPack, before, after);
        let first = changed(&nothing, &token);
        let again = changed(&token, &signature);
        assert_eq!((first[0].detail.trust, first[0].detail.previous_trust), (Some(Trust::Token), None));
        assert_eq!(
            (again[0].detail.trust, again[0].detail.previous_trust),
            (Some(Trust::Signature), Some(Trust::Token))
        );
        assert_eq!(first[0].detail.id, again[0].detail.id);
        assert!(changed(&signature, &signature).is_empty());
    }

    #[test]
    fn signers_have_three_statuses_and_no_conflict() {
        let nothing = StatusImage::default();
        let all: Vec<(Kind, Trust)> = Kind::ALL.into_iter().map(|kind| (kind, Trust::Token)).collect();
        let all = image(Some(Kind::Completed), &all);
        let signer = status_change(SubjectKind::Signer, &nothing, &all);
        assert_eq!(types(&signer), ["signer.viewed", "signer.signed", "signer.declined"]);
        let document = status_change(SubjectKind::Document, &nothing, &all);
        let expected =
            ["sent", "viewed", "signed", "expired", "declined", "voided", "removed", "completed", "conflict"];
        assert_eq!(types(&document), expected.map(|name| format!("document.{name}")));
    }

    #[test]
    fn a_conflict_is_published_once() {
        let one = image(Some(Kind::Declined), &[(Kind::Declined, Trust::Token)]);
        let two = image(Some(Kind::Voided), &[(Kind::Declined, Trust::Token), (Kind::Voided, Trust::Token)]);
        let mut three = two.clone();
        three.reports.insert(Kind::Completed, Report { trust: Trust::Token, occurred_at: at(2) });
        let changed = |before, after| status_change(SubjectKind::Document, before, after);
        assert_eq!(types(&changed(&one, &two)), ["document.voided", "document.conflict"]);
        assert_eq!(types(&changed(&two, &three)), ["document.completed"]);
    }

    #[test]
    fn every_request_to_forget_is_published() {
        let at_second = |second| StatusImage { forgotten_at: Some(at(second)), ..StatusImage::default() };
        let forgotten = |kind, before: StatusImage, after: StatusImage| status_change(kind, &before, &after);
        let first = forgotten(SubjectKind::Document, StatusImage::default(), at_second(1));
        let second = forgotten(SubjectKind::Document, at_second(1), at_second(2));
        assert_eq!((types(&first), types(&second)), (vec!["document.forgotten"], vec!["document.forgotten"]));
        assert_ne!(first[0].detail.id, second[0].detail.id);
        assert!(forgotten(SubjectKind::Document, at_second(2), at_second(2)).is_empty());
        let signer = forgotten(SubjectKind::Signer, StatusImage::default(), at_second(1));
        assert_eq!(types(&signer), ["signer.forgotten"]);
    }

    #[test]
    fn an_archived_document_is_published_if_there_are_new_pdfs() {
        let archived =
            |before: ArchiveJob, sha256| job_change(Some(before), Some(job(ArchiveState::Archived, false, sha256)));
        let first = archived(job(ArchiveState::Due, true, "a"), "a");
        assert_eq!(types(&first), ["document.archived"]);
        assert!(archived(job(ArchiveState::Due, false, "a"), "a").is_empty(), "asked again, and nothing was new");
        assert!(archived(job(ArchiveState::Archived, false, "a"), "a").is_empty());
        let second = archived(job(ArchiveState::Due, true, "b"), "b");
        assert_ne!(first[0].detail.id, second[0].detail.id);
        for state in [ArchiveState::Due, ArchiveState::Waiting, ArchiveState::Foreign] {
            assert!(job_change(Some(job(ArchiveState::Due, true, "a")), Some(job(state, true, "a"))).is_empty());
        }
        assert!(job_change(Some(job(ArchiveState::Due, false, "a")), None).is_empty(), "cancelled");
    }

    #[test]
    fn failed_and_blocked_jobs_are_published_with_their_reason() {
        let with_reason = |state, reason: &str| {
            let mut job = job(state, false, "a");
            job.reason = Some(reason.to_owned());
            job
        };
        let due = || Some(job(ArchiveState::Due, false, "a"));
        for (state, name) in
            [(ArchiveState::Failed, "document.archive_failed"), (ArchiveState::Blocked, "document.archive_blocked")]
        {
            let first = job_change(due(), Some(with_reason(state, "r")));
            assert_eq!((types(&first), first[0].detail.reason.as_deref()), (vec![name], Some("r")));
            let again = job_change(due(), Some(with_reason(state, "r")));
            assert_eq!(first[0].detail.id, again[0].detail.id, "the same fact");
            let other = job_change(due(), Some(with_reason(state, "s")));
            assert_ne!(first[0].detail.id, other[0].detail.id);
            assert!(job_change(Some(with_reason(state, "r")), Some(with_reason(state, "r"))).is_empty());
        }
    }

    #[test]
    fn a_delivery_is_published_when_it_is_set_aside() {
        let id: DeliveryId = "019abcde-0000-7000-8000-000000000000".parse().unwrap();
        let change = |before, after| {
            let reason = Some("unreadable".to_owned());
            events(&Change::Delivery { id: id.clone(), provider: Provider::Signeasy, before, after, reason }, at(9))
        };
        for before in [None, Some(Outcome::Accepted)] {
            let events = change(before, Outcome::SetAside);
            assert_eq!(types(&events), ["delivery.set_aside"]);
            assert_eq!(events[0].detail.subject, EventSubject::from(&id));
        }
        assert!(change(Some(Outcome::SetAside), Outcome::SetAside).is_empty());
        assert!(change(Some(Outcome::Accepted), Outcome::Recorded).is_empty());
    }
}
