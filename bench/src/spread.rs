//! Statistics of measurements: median and quartiles. A mean would reflect the outliers of a busy machine.

use serde::{Deserialize, Serialize};

/// Median and quartiles of a sample.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lower quartile.
    pub lower: f64,
    /// The upper quartile.
    pub upper: f64,
    /// The number of measurements.
    pub count: usize,
}

impl Spread {
    /// The statistics of these measurements; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        (!values.is_empty()).then(|| Self {
            median: percentile(values, 50.0),
            lower: percentile(values, 25.0),
            upper: percentile(values, 75.0),
            count: values.len(),
        })
    }

    /// The statistics of the ratios of two measurements from the same round.
    #[must_use]
    pub fn of_ratios(numerators: &[f64], denominators: &[f64]) -> Option<Self> {
        let pairs = numerators.iter().zip(denominators);
        let ratios: Vec<f64> = pairs.map(|(numerator, denominator)| numerator / denominator).collect();
        Self::of(&ratios)
    }
}

/// The percentile `percent` (0 to 100) of a sample, by linear interpolation; NaN for an empty sample.
#[must_use]
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = percent / 100.0 * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * position.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (1.75, 2.5, 3.25));
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn ratios_are_computed_round_by_round() {
        let spread = Spread::of_ratios(&[2.0, 30.0, 4.0], &[1.0, 10.0, 2.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 2.0, 2.5));
    }
}
