//! What joins a request and its signed file, which may have two ids.
//!
//! A request has an id, and so has the file that is made from it once everyone has signed. Callbacks use the request's id,
//! with one exception: in the newest version, `data.id` of rs.completed is said to be the signed file's. Then
//! `signed_file_id` has the same value. If it differs or is missing (versions 1 and 2), `data.id` is the request's. If the
//! service gives both the same id, nothing has to be joined; other events under that id show it.
//!
//! The API decides which request a file belongs to. The archive worker queries it. The API reports which file a request
//! became, but not the reverse, so it is asked about the requests that share any of these with the file:
//! - A recipient. `recipient_id` stands for one person in one request, unless the recipient's creation times differ.
//! - `request_info`, the data that the customer sent with the request. The customer may send the same with every request,
//!   so it counts only if recipients can't contradict, because one of the two names none.
//!
//! Neither joins the two on its own: whether a second request shares it depends on callbacks that may still arrive. Until
//! the API has named the file, both documents stay, and the file's says `unjoined`, with the requests that fit.

use aws_lc_rs::digest;

use super::{
    lossless_json::Json,
    payload::{Payload, Recipient},
};
use crate::domain::{Correlation, CorrelationKey, Event, Provider, Side};

/// The maximum number of recipients that are used as keys. A request may have hundreds; a few identify it.
const MAX_RECIPIENTS: usize = 5;

/// What an event contributes to joining its subject with the same document under another id.
pub(super) fn correlation(event: &Event) -> Option<Correlation> {
    let Correlated { side, keys } = Correlated::of(&event.payload)?;
    Some(Correlation { subject: event.subject.clone(), side, keys })
}

/// The id and the correlation keys of a payload.
pub(super) struct Correlated {
    /// Which of the two ids the payload uses.
    pub(super) side: Side,
    /// The values that it shares with payloads that use the other id.
    pub(super) keys: Vec<CorrelationKey>,
}

impl Correlated {
    /// Reads a payload; `None` if it is about nothing that could have two ids.
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
        let mut keys: Vec<CorrelationKey> = recipients.iter().take(MAX_RECIPIENTS).map(recipient).collect();
        keys.extend(request_info(payload, &recipients));
        Some(Self { side, keys })
    }
}

fn recipient(recipient: &Recipient) -> CorrelationKey {
    CorrelationKey {
        provider: Provider::Signeasy,
        key: format!("recipient#{}", recipient.id),
        mark: recipient.created.map(|time| time.to_string()),
    }
}

/// The customer's own data as a key. Its mark are the recipients, so that two sides with different recipients don't match.
fn request_info(payload: &str, recipients: &[Recipient]) -> Option<CorrelationKey> {
    let body = Json::parse(payload)?;
    let info = body.all("request_info").find(|info| matches!(info, Json::Object(members) if !members.is_empty()))?;
    let hash = |text: &str| hex::encode(digest::digest(&digest::SHA256, text.as_bytes()));
    let name = |recipient: &Recipient| format!("{}@{}", recipient.id, recipient.created.unwrap_or_default());
    let names = recipients.iter().map(name).collect::<Vec<_>>().join(" ");
    let mark = (!recipients.is_empty()).then(|| hash(&names));
    Some(CorrelationKey {
        provider: Provider::Signeasy,
        key: format!("request_info#{}", hash(&info.canonical())),
        mark,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload(event: &str, data: Value, request_info: Value) -> String {
        json!({"data": data, "metadata": {"event_type": event}, "request_info": request_info}).to_string()
    }

    fn side(event: &str, data: Value) -> Option<Side> {
        Correlated::of(&payload(event, data, json!(null))).map(|correlated| correlated.side)
    }

    #[test]
    fn only_rs_completed_with_its_own_signed_file_id_uses_the_file_id() {
        assert_eq!(side("rs.completed", json!({"id": 7, "signed_file_id": "7"})), Some(Side::File));
        assert_eq!(side("rs.completed", json!({"id": 7, "signed_file_id": 8})), Some(Side::Request));
        assert_eq!(side("rs.completed", json!({"id": 7})), Some(Side::Request));
        assert_eq!(side("rs.remind", json!({"id": 7, "signed_file_id": 7})), Some(Side::Request));
        for event in ["document.signed", "rs.bulksign_completed", "rs.never_heard_of"] {
            assert_eq!(side(event, json!({"id": 7, "signed_file_id": 7})), None, "{event}");
        }
    }

    #[test]
    fn a_recipient_key_is_its_id_and_its_mark_the_creation_time() {
        let recipients = json!([{"recipient_id": 377_928, "created_time": "5"}, {"recipient_id": "x"}]);
        let correlated =
            Correlated::of(&payload("rs.viewed", json!({"id": 7, "recipients": recipients}), json!({}))).unwrap();
        let keys: Vec<_> = correlated.keys.iter().map(|key| (key.key.as_str(), key.mark.as_deref())).collect();
        assert_eq!(keys, [("recipient#377928", Some("5")), ("recipient#x", None)]);
    }

    #[test]
    fn request_info_is_a_key_independent_of_member_order_and_marked_by_the_recipients() {
        let info = |recipients: Value, info: &str| {
            let data = json!({"id": 7, "recipients": recipients});
            let payload = payload("rs.viewed", data, json!(null)).replace(r#""request_info":null"#, info);
            Correlated::of(&payload).unwrap().keys.into_iter().find(|key| key.key.starts_with("request_info#"))
        };
        let key = info(json!([]), r#""request_info":{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(key.mark, None);
        assert_eq!(info(json!([]), r#""request_info":{ "b":"x", "a":1 }"#).unwrap(), key);
        let other = info(json!([{"recipient_id": 1}]), r#""request_info":{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(other.key, key.key);
        assert!(other.mark.is_some());
        for nothing in [r#""request_info":{}"#, r#""request_info":"x""#, r#""request_info":null"#] {
            assert_eq!(info(json!([]), nothing), None, "{nothing}");
        }
    }
}
