//! Which request a completed document is of.
//!
//! A request has an id, and so has the file that is made of it when everybody has signed. Callbacks name the request,
//! with one exception: in the newest version, `data.id` of rs.completed is said to be the signed file's. It shows by
//! `signed_file_id` being the same; where that is another or isn't there (versions 1 and 2), `data.id` is the request's.
//! If the service gives both the same id, nothing has to be joined, which other events under that id tell.
//!
//! Three things can join the two, in this order:
//! - a recipient. `recipient_id` stands for one person in one request, so who bears it belongs together, unless the
//!   times differ at which the recipient was made.
//! - `request_info`, the data that the customer gave with the request. The customer may give all requests the same, so it
//!   counts only where recipients can't contradict, because one of the two names none.
//! - the API, which is asked by the archive worker: it can say which file a request became, not the reverse, so those
//!   requests are asked about that have anything at all in common with the file.
//!
//! If more than one request fits, or none, nothing is joined. Then both stand, and the file's document says `unjoined`.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;

use super::{
    payload::{Payload, Recipient},
    tree::Tree,
};
use crate::{
    event::Event,
    ledger::{Clue, Ledger, LedgerError, Side},
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};

/// A request may have hundreds of recipients; these are enough to know it by.
const MAX_RECIPIENTS: usize = 5;

/// What a payload contributes to finding out.
pub(super) struct Traces {
    pub(super) side: Side,
    pub(super) clues: Vec<Clue>,
}

impl Traces {
    /// The traces in a payload; `None` where it tells of nothing that could have two ids.
    pub(super) fn of(payload: &str) -> Option<Self> {
        let read = Payload::read(payload).ok()?;
        let id = read.id().ok()?;
        let side = match &*read.event_type().ok()? {
            "rs.completed" if read.signed_file().is_some_and(|file| file.as_str() == id) => Side::File,
            "rs.initiated" | "rs.link_sent" | "rs.viewed" | "rs.signed" | "rs.declined" | "rs.voided"
            | "rs.reminded" | "rs.remind" | "rs.expired" | "rs.completed" => Side::Request,
            _ => return None,
        };
        let recipients = read.recipients();
        let mut clues: Vec<Clue> = recipients.iter().take(MAX_RECIPIENTS).map(recipient).collect();
        clues.extend(request_info(payload, &recipients));
        Some(Self { side, clues })
    }
}

fn recipient(recipient: &Recipient) -> Clue {
    Clue {
        provider: Provider::Signeasy,
        key: format!("recipient#{}", recipient.id),
        mark: recipient.created.map(|time| time.to_string()),
    }
}

/// The customer's own data, as a clue. Its mark are the recipients: where both sides name some and they differ, it is
/// no clue.
fn request_info(payload: &str, recipients: &[Recipient]) -> Option<Clue> {
    let tree = Tree::parse(payload)?;
    let info = tree.all("request_info").find(|info| matches!(info, Tree::Object(members) if !members.is_empty()))?;
    let hash = |text: &str| hex::encode(digest::digest(&digest::SHA256, text.as_bytes()));
    let name = |recipient: &Recipient| format!("{}@{}", recipient.id, recipient.created.unwrap_or_default());
    let names = recipients.iter().map(name).collect::<Vec<_>>().join(" ");
    let mark = (!recipients.is_empty()).then(|| hash(&names));
    Some(Clue { provider: Provider::Signeasy, key: format!("request_info#{}", hash(&info.canonical())), mark })
}

/// Leaves what the events contribute, and joins what that makes clear.
pub(in crate::providers) async fn relate(ledger: &Ledger, events: &[Event]) -> Result<(), LedgerError> {
    for event in events {
        let Some(traces) = Traces::of(&event.payload) else { continue };
        if traces.side == Side::File {
            ledger.note_signed_file(&event.subject).await?;
        }
        let mut requests: BTreeMap<SubjectId, BTreeSet<SubjectId>> = BTreeMap::new();
        for clue in &traces.clues {
            let bearers = ledger.note_clue(clue, traces.side, &event.subject.id).await?;
            for (file, request) in bearers.pairs() {
                requests.entry(file.clone()).or_default().insert(request.clone());
            }
        }
        for (file, requests) in requests {
            let mut requests = requests.into_iter();
            if let (Some(request), None) = (requests.next(), requests.next()) {
                join(ledger, &request, &file).await?;
            }
        }
    }
    Ok(())
}

/// Joins a signed file to its request.
pub(super) async fn join(ledger: &Ledger, request: &SubjectId, file: &SubjectId) -> Result<(), LedgerError> {
    let document =
        |id: &SubjectId| Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id: id.clone() };
    ledger.join(&document(request), &document(file)).await?;
    tracing::info!(event = "joined", provider = "signeasy", request = %request, file = %file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload(event: &str, data: Value, request_info: Value) -> String {
        json!({"data": data, "metadata": {"event_type": event}, "request_info": request_info}).to_string()
    }

    fn side(event: &str, data: Value) -> Option<Side> {
        Traces::of(&payload(event, data, json!(null))).map(|traces| traces.side)
    }

    #[test]
    fn only_a_completed_request_under_its_file_s_id_may_be_a_file() {
        assert_eq!(side("rs.completed", json!({"id": 7, "signed_file_id": "7"})), Some(Side::File));
        assert_eq!(side("rs.completed", json!({"id": 7, "signed_file_id": 8})), Some(Side::Request));
        assert_eq!(side("rs.completed", json!({"id": 7})), Some(Side::Request));
        assert_eq!(side("rs.remind", json!({"id": 7, "signed_file_id": 7})), Some(Side::Request));
        for event in ["document.signed", "rs.bulksign_completed", "rs.never_heard_of"] {
            assert_eq!(side(event, json!({"id": 7, "signed_file_id": 7})), None, "{event}");
        }
    }

    #[test]
    fn a_recipient_is_known_by_id_and_the_time_at_which_it_was_made() {
        let recipients = json!([{"recipient_id": 377_928, "created_time": "5"}, {"recipient_id": "x"}]);
        let traces = Traces::of(&payload("rs.viewed", json!({"id": 7, "recipients": recipients}), json!({}))).unwrap();
        let clues: Vec<_> = traces.clues.iter().map(|clue| (clue.key.as_str(), clue.mark.as_deref())).collect();
        assert_eq!(clues, [("recipient#377928", Some("5")), ("recipient#x", None)]);
    }

    #[test]
    fn the_customer_s_data_is_a_clue_whatever_its_order_and_marked_by_the_recipients() {
        let info = |recipients: Value, info: &str| {
            let data = json!({"id": 7, "recipients": recipients});
            let payload = payload("rs.viewed", data, json!(null)).replace(r#""request_info":null"#, info);
            Traces::of(&payload).unwrap().clues.into_iter().find(|clue| clue.key.starts_with("request_info#"))
        };
        let clue = info(json!([]), r#""request_info":{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(clue.mark, None);
        assert_eq!(info(json!([]), r#""request_info":{ "b":"x", "a":1 }"#).unwrap(), clue);
        let other = info(json!([{"recipient_id": 1}]), r#""request_info":{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(other.key, clue.key);
        assert!(other.mark.is_some());
        for nothing in [r#""request_info":{}"#, r#""request_info":"x""#, r#""request_info":null"#] {
            assert_eq!(info(json!([]), nothing), None, "{nothing}");
        }
    }
}
