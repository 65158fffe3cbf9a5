//! Dates (ISO 32000-2, 7.9.4), such as `D:20261126041904+01'00'`.

use jiff::Timestamp;

/// Reads a date. What is missing of the time is zero, and a missing zone means UTC.
pub(super) fn read(bytes: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix("D:").unwrap_or(text);
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, zone) = text.split_at(end);
    let part = |from: usize, default| digits.get(from..from + 2).unwrap_or(default);
    let zone: Vec<&str> = match zone.strip_prefix(['+', '-']) {
        Some(hours) => std::iter::once(&zone[..1]).chain(hours.split('\'')).collect(),
        None => Vec::new(),
    };
    let zone = match zone.as_slice() {
        [sign, hours, minutes, ..] if !minutes.is_empty() => format!("{sign}{hours}:{minutes}"),
        [sign, hours, ..] => format!("{sign}{hours}:00"),
        _ => "Z".to_owned(),
    };
    let date = format!("{}-{}-{}", digits.get(..4)?, part(4, "01"), part(6, "01"));
    format!("{date}T{}:{}:{}{zone}", part(8, "00"), part(10, "00"), part(12, "00")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_and_without_zone() {
        for (date, time) in [
            ("D:20261126041904+01'00'", Some("2026-11-26T03:19:04Z")),
            ("D:20261126041904-05'30", Some("2026-11-26T09:49:04Z")),
            ("D:20261126041904+02", Some("2026-11-26T02:19:04Z")),
            ("D:20261126041904Z00'00'", Some("2026-11-26T04:19:04Z")),
            ("20261126", Some("2026-11-26T00:00:00Z")),
            ("D:2026", Some("2026-01-01T00:00:00Z")),
            ("D:20261399", None),
            ("D:", None),
            ("yesterday", None),
        ] {
            assert_eq!(read(date.as_bytes()), time.map(|time| time.parse().unwrap()), "{date}");
        }
    }
}
