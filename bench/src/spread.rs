//! What many measurements come to: the middle one, and the range of the middle half. A mean would be the busy machine's.

use serde::{Deserialize, Serialize};

/// Median and quartiles of a sample.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// A quarter of the measurements are below.
    pub lower: f64,
    /// A quarter of the measurements are above.
    pub upper: f64,
    /// How many measurements.
    pub count: usize,
}

impl Spread {
    /// Of these measurements; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        (!values.is_empty()).then(|| Self {
            median: percentile(values, 50.0),
            lower: percentile(values, 25.0),
            upper: percentile(values, 75.0),
            count: values.len(),
        })
    }

    /// Of the quotients of measurements that were taken in the same round.
    #[must_use]
    pub fn of_ratios(of: &[f64], to: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
        Self::of(&ratios)
    }
}

/// The value below which `percent` of the sample is, by linear interpolation; NaN for an empty one.
#[must_use]
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = percent / 100.0 * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (1.75, 2.5, 3.25));
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let spread = Spread::of_ratios(&[2.0, 30.0, 4.0], &[1.0, 10.0, 2.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 2.0, 2.5));
    }
}
