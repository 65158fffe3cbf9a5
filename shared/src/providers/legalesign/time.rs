//! Parses the times in a batch and of the API. The documentation says "ISO format": `2018-03-20T07:09:52` in the samples,
//! and the pattern `YYYY-mm-ddTH:M:S`, which allows parts without a leading zero. The samples have no zone, and none is
//! documented, so a setting names it.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::{domain::TimeSource, time::to_millis};

/// Longest accepted text, in bytes: more than a time with nanoseconds and a zone takes.
const MAX_TIME: usize = 48;

/// A time as Legalesign wrote it, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) at: Timestamp,
    pub(super) source: TimeSource,
    /// The time read as UTC, if it was written without a zone.
    pub(super) local: Option<Timestamp>,
}

/// Parses a time. One without a zone is read in `zone`; see [`TimeSource::ProviderLocalAmbiguous`] for those that its
/// clocks showed twice or never.
pub(super) fn parse(text: &str, zone: &TimeZone) -> Option<Time> {
    if text.len() > MAX_TIME || !text.is_ascii() {
        return None;
    }
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, written_zone) = clock.split_at(zone_at);
    let (seconds, fraction) = clock.split_at(clock.find(['.', ',']).unwrap_or(clock.len()));
    let padded = format!("{}T{}{fraction}", pad(date, '-')?, pad(seconds, ':')?);
    if !written_zone.is_empty() {
        let at: Timestamp = format!("{padded}{written_zone}").parse().ok()?;
        return Some(Time { at: to_millis(at), source: TimeSource::Provider, local: None });
    }
    let local: DateTime = padded.parse().ok()?;
    let in_zone = zone.to_ambiguous_timestamp(local);
    let source = match in_zone.offset() {
        AmbiguousOffset::Unambiguous { .. } => TimeSource::ProviderLocal,
        AmbiguousOffset::Fold { .. } | AmbiguousOffset::Gap { .. } => TimeSource::ProviderLocalAmbiguous,
    };
    let as_utc = TimeZone::UTC.to_timestamp(local).ok()?;
    Some(Time { at: to_millis(in_zone.compatible().ok()?), source, local: Some(to_millis(as_utc)) })
}

/// Pads three numbers to two digits each. In a date, the first one must have four digits.
fn pad(text: &str, separator: char) -> Option<String> {
    let parts: Vec<&str> = text.split(separator).collect();
    let [first, second, third] = parts[..] else { return None };
    let is_year = separator == '-';
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let first_fits = if is_year { first.len() == 4 && digits(first, 4) } else { digits(first, 2) };
    let fits = first_fits && digits(second, 2) && digits(third, 2);
    fits.then(|| format!("{first:0>2}{separator}{second:0>2}{separator}{third:0>2}"))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    #[test]
    fn times_are_parsed_with_or_without_zone_and_padding() {
        for (text, utc, source) in [
            ("2018-03-20T07:09:52", "2018-03-20T07:09:52Z", TimeSource::ProviderLocal),
            ("2018-3-2T7:9:5", "2018-03-02T07:09:05Z", TimeSource::ProviderLocal),
            ("2018-03-20 07:09:52.123456", "2018-03-20T07:09:52.123Z", TimeSource::ProviderLocal),
            ("2018-03-20T7:09:52.5Z", "2018-03-20T07:09:52.5Z", TimeSource::Provider),
            ("2018-03-20T07:09:52+01:00", "2018-03-20T06:09:52Z", TimeSource::Provider),
            ("2018-03-20T07:09:52-0130", "2018-03-20T08:39:52Z", TimeSource::Provider),
        ] {
            let time = parse(text, &TimeZone::UTC).unwrap();
            assert_eq!((time.at, time.source), (utc.parse().unwrap(), source), "{text}");
            assert_eq!(time.local, (source == TimeSource::ProviderLocal).then_some(time.at), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_read_in_the_given_one() {
        let london = TimeZoneDatabase::bundled().get("Europe/London").unwrap();
        for (text, utc, source) in [
            ("2026-01-10T12:00:00", "2026-01-10T12:00:00Z", TimeSource::ProviderLocal),
            ("2026-07-10T12:00:00", "2026-07-10T11:00:00Z", TimeSource::ProviderLocal),
            // Clocks went from 02:00 back to 01:00, at 01:00 UTC.
            ("2026-10-25T00:59:59", "2026-10-24T23:59:59Z", TimeSource::ProviderLocal),
            ("2026-10-25T01:30:00", "2026-10-25T00:30:00Z", TimeSource::ProviderLocalAmbiguous),
            ("2026-10-25T02:00:00", "2026-10-25T02:00:00Z", TimeSource::ProviderLocal),
            // Clocks went from 01:00 to 02:00, at 01:00 UTC.
            ("2026-03-29T01:30:00", "2026-03-29T01:30:00Z", TimeSource::ProviderLocalAmbiguous),
            // A zone in the text takes precedence.
            ("2026-07-10T12:00:00Z", "2026-07-10T12:00:00Z", TimeSource::Provider),
        ] {
            let time = parse(text, &london).unwrap();
            assert_eq!((time.at, time.source), (utc.parse().unwrap(), source), "{text}");
            let in_utc = parse(text, &TimeZone::UTC).unwrap();
            assert_eq!(time.local, in_utc.local, "{text}");
        }
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "T",
            "2018-03-20",
            "2018-03-20T",
            "2018-03-20T07:09",
            "07:09:52",
            "2018-02-30T07:09:52",
            "2018-03-20T24:09:52",
            "2018-03-20T07:60:52",
            "18-03-20T07:09:52",
            "02018-03-20T07:09:52",
            "-018-03-20T07:09:52",
            "2018-003-20T07:09:52",
            "2018-03-20T07:09:52 and more",
            "2018-03-20T07:09:52+",
            "2018-03-20T07:09:52é",
            "1521529792",
            "20/03/2018T07:09:52",
        ] {
            assert_eq!(parse(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
