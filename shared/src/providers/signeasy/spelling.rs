//! The spelling of documented fields. SignEasy's types drift: the same number arrives as `1` or `"1"`, and a field without a
//! value is `null` or missing. A redelivery with another spelling is the same event, so its identity uses one spelling of each
//! field: that of the vendor's samples (docs.signeasy.com, "webhooks" and "migrating callbacks"). Bodies that are written
//! like the samples keep the identity of their plain content.
//!
//! Fields that no sample has are left as they are: a difference in them may mean something.

use super::lossless_json::Json;

/// A field's value in the samples.
#[derive(Clone, Copy)]
enum Sample {
    Number,
    Text,
}

/// Fields of `data`, of `metadata`, and of each member of `data.recipients` and `data.sources`.
const DATA: &[(&str, Sample)] = &[
    ("created_time", Sample::Number),
    ("expiry_time", Sample::Number),
    ("has_markers", Sample::Number),
    ("id", Sample::Number),
    ("is_embedded_signing", Sample::Number),
    ("is_envelope", Sample::Text),
    ("is_in_person", Sample::Number),
    ("is_ordered", Sample::Number),
    ("last_modified_time", Sample::Number),
    ("next", Sample::Number),
    ("owner_user_id", Sample::Number),
    ("public_link", Sample::Number),
    ("user_id", Sample::Number),
];
const METADATA: &[(&str, Sample)] = &[("event_user_id", Sample::Number)];
const RECIPIENT: &[(&str, Sample)] = &[
    ("created_time", Sample::Number),
    ("last_modified_time", Sample::Number),
    ("order_id", Sample::Number),
    ("recipient_id", Sample::Number),
    ("recipient_user_id", Sample::Number),
    ("signed_file_id", Sample::Text),
    ("verification_time", Sample::Number),
];
const SOURCE: &[(&str, Sample)] = &[("id", Sample::Number)];

/// Fields that are null in the samples: an object that has the first field has the others, too.
const NULLS_OF_DATA: &[(&str, &[&str])] =
    &[("owner_email", &["aadhaar_enabled", "logo"]), ("checksum", &["pending_file"])];
const NULLS_OF_RECIPIENT: &[(&str, &[&str])] = &[("verification_status", &["phone_number", "verification_time"])];

/// Gives each documented field of a body the spelling of the samples. `true` if any had another.
pub(super) fn normalize(body: &mut Json) -> bool {
    let mut changed = false;
    for metadata in body.all_mut("metadata") {
        changed |= spell(metadata, METADATA);
    }
    for data in body.all_mut("data") {
        changed |= spell(data, DATA) | spell_signed_file(data) | add_nulls(data, NULLS_OF_DATA);
        for recipient in members(data, "recipients") {
            changed |= spell(recipient, RECIPIENT) | spell_verification(recipient);
            changed |= add_nulls(recipient, NULLS_OF_RECIPIENT);
        }
        for source in members(data, "sources") {
            changed |= spell(source, SOURCE);
        }
    }
    changed
}

fn members<'a>(object: &'a mut Json, key: &'a str) -> impl Iterator<Item = &'a mut Json> {
    let members = |list: &'a mut Json| if let Json::Array(members) = list { members.as_mut_slice() } else { &mut [] };
    object.all_mut(key).flat_map(members)
}

fn spell(object: &mut Json, fields: &[(&str, Sample)]) -> bool {
    let mut changed = false;
    for (key, sample) in fields {
        for value in object.all_mut(key) {
            changed |= spell_number(value, *sample);
        }
    }
    changed
}

/// Gives a whole number the spelling of the sample. Everything else stays.
fn spell_number(value: &mut Json, sample: Sample) -> bool {
    let spelled = match (&*value, sample) {
        (Json::Text(digits), Sample::Number) if is_whole_number(digits) => Json::Plain(digits.clone()),
        (Json::Plain(digits), Sample::Text) if is_whole_number(digits) => Json::Text(digits.clone()),
        _ => return false,
    };
    *value = spelled;
    true
}

/// Whether a text is a whole number as JSON writes it.
fn is_whole_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// `data.signed_file_id`: a text in the samples in which it is the same as `data.id`, a number in the others.
fn spell_signed_file(data: &mut Json) -> bool {
    let ids: Vec<String> = data.all("id").filter_map(digits).map(str::to_owned).collect();
    let mut changed = false;
    for value in data.all_mut("signed_file_id") {
        let is_id = digits(value).is_some_and(|file| ids.iter().any(|id| id == file));
        changed |= spell_number(value, if is_id { Sample::Text } else { Sample::Number });
    }
    changed
}

fn digits(value: &Json) -> Option<&str> {
    let (Json::Text(digits) | Json::Plain(digits)) = value else { return None };
    is_whole_number(digits).then_some(digits)
}

/// `verification_status` is 0 or `not_verified`.
fn spell_verification(recipient: &mut Json) -> bool {
    let mut changed = false;
    for value in recipient.all_mut("verification_status").filter(|value| digits(value) == Some("0")) {
        *value = Json::Text("not_verified".to_owned());
        changed = true;
    }
    changed
}

fn add_nulls(object: &mut Json, nulls: &[(&str, &[&str])]) -> bool {
    let mut changed = false;
    for (sibling, keys) in nulls {
        if object.all(sibling).next().is_none() {
            continue;
        }
        let missing = keys.iter().filter(|key| object.all(key).next().is_none());
        let missing: Vec<_> = missing.map(|key| ((*key).to_owned(), Json::Plain("null".to_owned()))).collect();
        changed |= !missing.is_empty();
        if let Json::Object(members) = object {
            members.extend(missing);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body with documented spellings, or `None` if it had them already.
    fn normalized(body: &str) -> Option<String> {
        let mut json = Json::parse(body).unwrap();
        normalize(&mut json).then(|| json.canonical())
    }

    #[test]
    fn documented_fields_get_the_spelling_of_the_samples() {
        for (drifted, documented) in [
            (r#"{"data":{"id":"7","public_link":"0"}}"#, r#"{"data":{"id":7,"public_link":0}}"#),
            (r#"{"data":{"is_envelope":1}}"#, r#"{"data":{"is_envelope":"1"}}"#),
            (r#"{"data":{"id":7,"signed_file_id":7}}"#, r#"{"data":{"id":7,"signed_file_id":"7"}}"#),
            (r#"{"data":{"id":7,"signed_file_id":"8"}}"#, r#"{"data":{"id":7,"signed_file_id":8}}"#),
            (r#"{"data":{"sources":[{"id":"3"}]}}"#, r#"{"data":{"sources":[{"id":3}]}}"#),
            (r#"{"metadata":{"event_user_id":"1"}}"#, r#"{"metadata":{"event_user_id":1}}"#),
            (
                r#"{"data":{"recipients":[{"recipient_id":"5","verification_status":0}]}}"#,
                r#"{"data":{"recipients":[{"phone_number":null,"recipient_id":5,"verification_status":"not_verified","verification_time":null}]}}"#,
            ),
            (
                r#"{"data":{"logo":null,"owner_email":""}}"#,
                r#"{"data":{"aadhaar_enabled":null,"logo":null,"owner_email":""}}"#,
            ),
        ] {
            assert_eq!(normalized(drifted).as_deref(), Some(documented), "{drifted}");
            assert_eq!(normalized(documented), None, "{documented}");
        }
    }

    #[test]
    fn other_values_and_undocumented_fields_stay() {
        for body in [
            r#"{"data":{"id":"007","public_link":true,"is_envelope":null,"next":1.0}}"#,
            r#"{"data":{"undocumented":"1","recipients":{"recipient_id":"1"}},"id":"1"}"#,
            r#"{"data":{"recipients":[{"recipient_id":"x","order_id":""},"1"]},"request_info":{"id":"1"}}"#,
            "[]",
        ] {
            assert_eq!(normalized(body), None, "{body}");
        }
    }
}
