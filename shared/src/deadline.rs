//! The time by which a task has to stop by itself, because its function is ended soon after.

use std::time::{Duration, Instant};

/// The time by which a task has to stop; it may have all the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// A task with all the time.
    pub const NONE: Self = Self(None);

    /// A task that has to stop after this time.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// Whether the task has to stop now.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// The deadline of the first of `parts` parts that share the time left equally.
    #[must_use]
    pub fn first_of(self, parts: usize) -> Self {
        let (now, parts) = (Instant::now(), u32::try_from(parts).unwrap_or(u32::MAX));
        Self(self.0.map(|end| now + end.saturating_duration_since(now) / parts.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_shared() {
        let hour = Duration::from_secs(3600);
        let Deadline(Some(third)) = Deadline::after(hour).first_of(3) else { panic!("no deadline") };
        let left = third.saturating_duration_since(Instant::now());
        assert!(left <= hour / 3 && left > hour / 4, "{left:?}");
        assert!(Deadline::after(Duration::ZERO).is_over() && Deadline::after(Duration::ZERO).first_of(2).is_over());
        assert!(!Deadline::after(hour).is_over() && !Deadline::NONE.is_over() && !Deadline::NONE.first_of(2).is_over());
    }
}
