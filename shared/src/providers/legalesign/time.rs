//! Parses the times in a batch. The documentation says "ISO format": `2018-03-20T07:09:52` in the samples, and the
//! pattern `YYYY-mm-ddTH:M:S`, which allows parts without a leading zero. The samples have no zone, and none is
//! documented.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::domain::TimeSource;

/// Longest accepted text, in bytes: more than a time with nanoseconds and a zone takes.
const MAX_TIME: usize = 48;

/// Parses a time, to the millisecond. A time without a zone is taken as UTC, with [`TimeSource::ProviderLocal`].
pub(super) fn parse(text: &str) -> Option<(Timestamp, TimeSource)> {
    if text.len() > MAX_TIME || !text.is_ascii() {
        return None;
    }
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let (seconds, fraction) = clock.split_at(clock.find(['.', ',']).unwrap_or(clock.len()));
    let padded = format!("{}T{}{fraction}", pad(date, '-')?, pad(seconds, ':')?);
    let (time, source) = if zone.is_empty() {
        let local: DateTime = padded.parse().ok()?;
        (local.to_zoned(TimeZone::UTC).ok()?.timestamp(), TimeSource::ProviderLocal)
    } else {
        (format!("{padded}{zone}").parse().ok()?, TimeSource::Provider)
    };
    Some((crate::time::to_millis(time), source))
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
            assert_eq!(parse(text), Some((utc.parse().unwrap(), source)), "{text}");
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
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
