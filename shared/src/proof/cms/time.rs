//! Times in CMS: `UTCTime` and `GeneralizedTime` (RFC 5652, section 11.3).

use jiff::Timestamp;

use super::element::{Element, GENERALIZED_TIME, UTC_TIME};

/// Reads a time, which must be in UTC.
pub(super) fn read(element: &Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let digits = text.split('.').next()?;
    let whole = match (element.is(UTC_TIME), element.is(GENERALIZED_TIME)) {
        // Two digits of the year stand for 1950 to 2049.
        (true, _) => format!("{}{text}", if digits < "5" { "20" } else { "19" }),
        (_, true) => text.to_owned(),
        _ => return None,
    };
    let (date, time) = whole.split_at_checked(8)?;
    format!("{date}T{time}Z").parse().ok()
}
