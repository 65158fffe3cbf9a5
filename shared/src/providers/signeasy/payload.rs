//! The fields of a callback that the code uses, parsed leniently, because SignEasy's types vary: ids and times are
//! numbers or texts, `public_link` is 0 or "0", `verification_status` is 0 or "not_verified". Other fields aren't
//! parsed, so that a change of their types does no harm.

use std::{fmt, marker::PhantomData};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::{
    domain::{Kind, SubjectId, Unreadable},
    json, time,
};

/// The maximum number of recipients whose statuses are read.
pub(super) const MAX_RECIPIENTS: usize = 200;

/// A callback's body.
#[derive(Deserialize)]
pub(super) struct Payload {
    data: Option<Object<Data>>,
    metadata: Option<Object<Metadata>>,
}

#[derive(Deserialize)]
struct Data {
    id: Option<Id>,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    signed_file_id: Value,
    #[serde(default)]
    checksum: Value,
    #[serde(default)]
    last_modified_time: Value,
    #[serde(default)]
    recipients: Value,
}

#[derive(Deserialize)]
struct Metadata {
    event_type: Option<String>,
}

/// A `T` that is a JSON object. A derived `Deserialize` would accept an array, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyObject<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyObject<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyObject(PhantomData))
    }
}

/// An id as text, from a number or a text.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        id(&value).map(Self).ok_or_else(|| D::Error::custom("not an id"))
    }
}

/// A recipient: the parts that distinguish one request from another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recipient {
    pub(super) id: SubjectId,
    /// When the recipient was added to the request, in seconds since 1970.
    pub(super) created: Option<i64>,
}

/// `data.name` of a body: what the sender called the document. Parsed apart from [`Payload`], because a name that is there
/// twice must not make the delivery unreadable.
pub(super) fn document_name(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        name: String,
    }
    json::parse::<Named>(text).ok().map(|body| body.data.name)
}

impl Payload {
    /// Reads a body.
    ///
    /// # Errors
    /// If it isn't a JSON object, or a required field has the wrong type.
    pub(super) fn read(text: &str) -> Result<Self, Unreadable> {
        json::parse(text)
    }

    fn data(&self) -> Option<&Data> {
        self.data.as_ref().map(|Object(data)| data)
    }

    /// `data.id`: the id of the request, of the signed file, or of the document.
    pub(super) fn id(&self) -> Result<String, Unreadable> {
        let data = self.data().ok_or_else(|| Unreadable::new("missing_field", "data"))?;
        let id = data.id.as_ref().ok_or_else(|| Unreadable::new("missing_field", "data.id"))?;
        Ok(id.0.clone())
    }

    /// `metadata.event_type`: what happened.
    pub(super) fn event_type(&self) -> Result<String, Unreadable> {
        let Object(metadata) = self.metadata.as_ref().ok_or_else(|| Unreadable::new("missing_field", "metadata"))?;
        metadata.event_type.clone().ok_or_else(|| Unreadable::new("missing_field", "metadata.event_type"))
    }

    pub(super) fn status(&self) -> Option<String> {
        self.data()?.status.as_str().map(str::to_owned)
    }

    /// The id of the signed file, if the body has a valid one.
    pub(super) fn signed_file(&self) -> Option<SubjectId> {
        SubjectId::parse(id(&self.data()?.signed_file_id)?).ok()
    }

    /// The hash of a self-signed document in lower-case hex, if it is a SHA-256.
    pub(super) fn checksum(&self) -> Option<String> {
        let text = self.data()?.checksum.as_str()?;
        let is_sha256 = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_sha256.then(|| text.to_ascii_lowercase())
    }

    /// The latest `last_modified_time` of the request and its recipients, in whole seconds. When a recipient signs,
    /// only the recipient's time changes.
    pub(super) fn last_modified(&self) -> Option<Timestamp> {
        let data = self.data()?;
        let recipients = data.recipients.as_array().into_iter().flatten();
        let times = recipients.map(|recipient| &recipient["last_modified_time"]).chain([&data.last_modified_time]);
        times.filter_map(seconds).filter_map(|time| Timestamp::from_second(time).ok()).max().map(time::to_millis)
    }

    /// How far each recipient has got, for those that viewed, signed or declined.
    pub(super) fn levels(&self) -> Vec<(SubjectId, Kind)> {
        let recipients = self.data().into_iter().flat_map(|data| data.recipients.as_array()).flatten();
        let level = |recipient: &Value| {
            let id = SubjectId::parse(id(&recipient["recipient_id"])?).ok()?;
            Some((id, recipient_status(recipient).filter(|status| *status != Kind::Sent)?))
        };
        recipients.take(MAX_RECIPIENTS).filter_map(level).collect()
    }

    /// The recipients with a valid id, sorted by id, without duplicates.
    pub(super) fn recipients(&self) -> Vec<Recipient> {
        let recipients = self.data().into_iter().flat_map(|data| data.recipients.as_array()).flatten();
        let mut recipients: Vec<_> = recipients
            .filter_map(|recipient| {
                let id = SubjectId::parse(id(&recipient["recipient_id"])?).ok()?;
                Some(Recipient { id, created: seconds(&recipient["created_time"]) })
            })
            .collect();
        recipients.sort();
        recipients.dedup();
        recipients
    }
}

/// A recipient's status, in a callback or in a response of the API.
pub(super) fn recipient_status(recipient: &Value) -> Option<Kind> {
    match recipient["status"].as_str()? {
        "not_viewed" => Some(Kind::Sent),
        "viewed" => Some(Kind::Viewed),
        // `complete` is version 1's.
        "finalized" | "complete" => Some(Kind::Signed),
        "declined" => Some(Kind::Declined),
        _ => None,
    }
}

/// An id, from a number or a text.
pub(super) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Seconds since 1970, from a number or a text, without the fraction. 0 and negative numbers mean "never".
fn seconds(value: &Value) -> Option<i64> {
    let text = id(value)?;
    let whole = text.split_once('.').map_or(&*text, |(whole, _)| whole);
    whole.trim().parse().ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> Payload {
        Payload::read(&json!({"data": data, "metadata": {"event_type": "rs.signed"}}).to_string()).ok().unwrap()
    }

    #[test]
    fn ids_and_times_are_read_as_numbers_or_text() {
        for (id, seconds) in [
            (json!(100_002_311), json!(1_753_375_791)),
            (json!("100002311"), json!("1753375791")),
            (json!("100002311"), json!(1_753_375_791.25)),
        ] {
            let payload = read(json!({"id": id, "signed_file_id": id, "last_modified_time": seconds}));
            assert_eq!(payload.id().unwrap(), "100002311");
            assert_eq!(payload.signed_file().unwrap().as_str(), "100002311");
            assert_eq!(payload.last_modified().unwrap().to_string(), "2025-07-24T16:49:51Z");
        }
    }

    #[test]
    fn the_latest_change_of_request_and_recipients_is_used() {
        let recipients =
            json!([{"last_modified_time": 30}, {"last_modified_time": "40"}, {"last_modified_time": null}]);
        let payload = read(json!({"id": 1, "last_modified_time": 20, "recipients": recipients}));
        assert_eq!(payload.last_modified().unwrap().as_second(), 40);
        let payload = read(json!({"id": 1, "last_modified_time": 50, "recipients": recipients}));
        assert_eq!(payload.last_modified().unwrap().as_second(), 50);
    }

    #[test]
    fn unreadable_optional_fields_are_treated_as_missing() {
        let nothing = json!([null, 0, "0", "not_verified", {}, [], true, "99999999999999999999", 1e300]);
        for odd in nothing.as_array().unwrap() {
            let payload = read(json!({"id": 1, "last_modified_time": odd, "recipients": odd, "checksum": odd}));
            assert_eq!((payload.last_modified(), payload.checksum()), (None, None), "{odd}");
            assert_eq!(payload.recipients(), []);
        }
        for odd in [json!(null), json!({}), json!("a/../b"), json!(""), json!(1.5)] {
            assert_eq!(read(json!({"id": 1, "signed_file_id": odd})).signed_file(), None, "{odd}");
        }
    }

    #[test]
    fn the_levels_are_those_of_recipients_that_viewed_signed_or_declined() {
        let recipient = |id: u8, status: Value| json!({"recipient_id": id, "status": status});
        let statuses = ["not_viewed", "viewed", "finalized", "complete", "declined", "undocumented"];
        let mut recipients: Vec<_> = (1..).zip(statuses).map(|(id, status)| recipient(id, json!(status))).collect();
        recipients.extend([recipient(7, json!(1)), json!({"status": "viewed"}), json!("viewed")]);
        let levels = read(json!({"id": 1, "recipients": recipients})).levels();
        let levels: Vec<_> = levels.iter().map(|(id, status)| (id.as_str(), *status)).collect();
        let expected = [("2", Kind::Viewed), ("3", Kind::Signed), ("4", Kind::Signed), ("5", Kind::Declined)];
        assert_eq!(levels, expected);
    }

    #[test]
    fn recipients_are_sorted_by_id_without_duplicates() {
        let recipients =
            json!([{"recipient_id": "b"}, {"recipient_id": 2, "created_time": "7"}, {"recipient_id": "b"}, {}, 3]);
        let recipients = read(json!({"id": 1, "recipients": recipients})).recipients();
        let recipients: Vec<_> = recipients.iter().map(|r| (r.id.as_str(), r.created)).collect();
        assert_eq!(recipients, [("2", Some(7)), ("b", None)]);
    }
}
