//! SignEasy's callbacks, in the three versions of their payload.

use clap::ValueEnum;
use countersign::domain::{Route, SubjectId};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::SERVICE;
use crate::simulator::{
    callbacks::{CallbackError, Post},
    service::Event,
};

/// The version of the payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Payload {
    /// Without sources and token
    V1,
    /// With sources and token
    V2,
    /// With `api_version`, `signed_file_id` and `request_info`
    #[default]
    V3,
}

/// The events, each with the status of the request and of its recipient, and with its meaning if people are offered to
/// send it.
const EVENTS: [(&str, &str, &str, Option<&str>); 13] = [
    ("rs.initiated", "incomplete", "not_viewed", Some("a signature request was created")),
    ("rs.link_sent", "incomplete", "not_viewed", Some("the signing link was sent")),
    ("rs.viewed", "incomplete", "viewed", Some("a signer viewed the document")),
    ("rs.signed", "incomplete", "finalized", Some("a signer signed")),
    ("rs.reminded", "incomplete", "not_viewed", Some("a signer was reminded")),
    ("rs.remind", "incomplete", "not_viewed", None),
    ("rs.declined", "recipient_declined", "declined", Some("a signer declined")),
    ("rs.voided", "canceled", "not_viewed", Some("the sender withdrew the request")),
    // The bodies of this event and the two of bulk signing aren't documented; they are made like the others.
    ("rs.expired", "expired", "not_viewed", Some("the request expired")),
    ("rs.bulksign_completed", "complete", "finalized", None),
    ("rs.bulksign_declined", "complete", "declined", None),
    ("rs.completed", "complete", "finalized", Some("all parties have signed")),
    (SELF_SIGNED, "", "", Some("the owner signed a document alone")),
];

const SELF_SIGNED: &str = "document.signed";

/// The events that people are offered to send.
pub fn offered() -> Vec<Event> {
    let events = EVENTS.into_iter().filter_map(|(name, _, _, meaning)| Some(Event { name, meaning: meaning? }));
    events.collect()
}

/// Makes a callback about this request or document. `token` goes into its metadata.
pub fn callback(event: &str, id: &SubjectId, version: Payload, token: Option<&str>) -> Result<Post, CallbackError> {
    let known = EVENTS.into_iter().find(|(name, ..)| *name == event);
    let Some((_, status, recipient, _)) = known else {
        return Err(CallbackError::unknown_event(SERVICE, EVENTS.iter().map(|(name, ..)| *name)));
    };
    let body = if event == SELF_SIGNED {
        self_signed(id)
    } else {
        // According to the older documentation, a reminder has this name.
        let name = if event == "rs.reminded" && version != Payload::V3 { "rs.remind" } else { event };
        request(name, id, version, token, [status, recipient])
    };
    Ok(Post::json(Route::Signeasy, &body))
}

/// The body for a self-signed document. Its checksum is left out: only the service knows it.
fn self_signed(id: &SubjectId) -> Value {
    let now = Timestamp::now().as_second();
    json!({
        "data": {
            "pending_file": null, "user_id": 7_163_829, "name": "Employment contract.pdf", "created_time": now - 60,
            "last_modified_time": now, "id": number(id),
        },
        "metadata": {"event_user": "owner@example.com", "event_type": SELF_SIGNED, "client_id": null},
    })
}

fn request(
    event: &str,
    id: &SubjectId,
    version: Payload,
    token: Option<&str>,
    [status, recipient]: [&str; 2],
) -> Value {
    let now = Timestamp::now().as_second();
    // Values that are the same in all events of a request are derived from its id.
    let seed = id.as_str().bytes().fold(17_u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let recipient_id = 1_000_000 + seed % 1_000_000_000;
    let created = 1_750_000_000 + seed % 1_000_000;
    let mut recipient = json!({
        "created_time": created, "email": "signer@example.com", "first_name": "Sam", "last_name": "Signer",
        "last_modified_time": now, "order_id": 1, "recipient_id": recipient_id, "recipient_user_id": 3_625_901,
        "status": recipient,
    });
    let mut data = json!({
        "created_time": created, "id": number(id), "is_ordered": 1, "last_modified_time": now,
        "name": "Offer letter.pdf", "next": recipient_id, "owner_user_id": 3_625_900, "status": status,
    });
    let mut metadata =
        json!({"event_type": event, "event_user_id": 1, "client_id": "client", "event_user": "owner@example.com"});
    let mut body = Map::new();
    if version != Payload::V1 {
        data["sources"] = json!([{"id": 223_221, "name": "Offer letter", "type": "original"}]);
        if let Some(token) = token {
            metadata["token"] = token.into();
        }
    }
    if version == Payload::V3 {
        metadata["api_version"] = "v3".into();
        data["is_envelope"] = "1".into();
        data["public_link"] = 0.into();
        recipient["verification_status"] = "not_verified".into();
        if event == "rs.completed" {
            data["signed_file_id"] = id.as_str().into();
            recipient["signed_file_id"] = id.as_str().into();
        }
        body.insert("request_info".to_owned(), json!({"triggered_for": id}));
    }
    data["recipients"] = json!([recipient]);
    body.insert("data".to_owned(), data);
    body.insert("metadata".to_owned(), metadata);
    body.into()
}

/// An id as the service writes it: as a number, if it is one.
fn number(id: &SubjectId) -> Value {
    match id.as_str().parse::<u64>() {
        Ok(number) if number.to_string() == id.as_str() => number.into(),
        _ => id.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(event: &str, version: Payload) -> Value {
        let id = SubjectId::parse("235649").unwrap();
        let callback = callback(event, &id, version, Some("a-webhook-token")).ok().unwrap();
        serde_json::from_slice(&callback.body).unwrap()
    }

    #[test]
    fn every_event_can_be_made_in_every_version() {
        for (event, ..) in EVENTS {
            for version in [Payload::V1, Payload::V2, Payload::V3] {
                let body = body(event, version);
                assert_eq!(body["data"]["id"], 235_649, "{event}");
                let has_token = version != Payload::V1 && event != SELF_SIGNED;
                assert_eq!(body["metadata"]["token"].is_string(), has_token, "{event} {version:?}");
                assert_eq!(body["request_info"].is_object(), version == Payload::V3 && event != SELF_SIGNED);
            }
        }
        assert_eq!(body("rs.reminded", Payload::V2)["metadata"]["event_type"], "rs.remind");
        assert_eq!(body("rs.completed", Payload::V3)["data"]["signed_file_id"], "235649");
    }

    #[test]
    fn an_unknown_event_is_an_error_that_names_the_known_ones() {
        let id = SubjectId::parse("x").unwrap();
        let error = callback("rs.finished", &id, Payload::V3, None).unwrap_err();
        assert!(error.to_string().contains("rs.initiated, ") && error.code() == "unknown_event", "{error}");
        assert_eq!(number(&id), "x");
    }
}
