//! Formats times as RFC 3339 in UTC with milliseconds, always 24 characters, so that text order is time order.

use jiff::{Timestamp, Unit};

/// Formats a time as `2026-11-22T02:27:06.123Z`; digits below a millisecond are cut off.
#[must_use]
pub fn format(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Cuts a time to the precision of [`format()`], so that stored and computed times compare equal.
#[must_use]
pub fn to_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// The current time, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    to_millis(Timestamp::now())
}

/// Whole seconds from `from` to `to`, negative if `to` is earlier.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    from.until((Unit::Second, to)).map_or(0, |span| span.get_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order() {
        let times =
            ["1969-12-31T23:59:59.9994Z", "2018-03-20T07:09:52Z", "2018-03-20T07:09:52.1Z", "2026-01-01T00:00:00Z"];
        let written: Vec<String> = times.iter().map(|t| format(t.parse().unwrap())).collect();
        assert!(written.is_sorted(), "{written:?}");
        assert!(written.iter().all(|t| t.len() == 24));
    }
}
