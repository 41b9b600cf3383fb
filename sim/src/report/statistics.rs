//! Means of repeated runs with confidence intervals, by Student's t (W. Gosset 1908).

/// A mean, and how far the true one may be from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Values that were there.
    pub count: usize,
    /// Their mean; not a number of none.
    pub mean: f64,
    /// Half the width of the 95 % interval; nothing where one value is all there is.
    pub half_width: f64,
}

/// The two-sided 97.5 % points of Student's t for 1 to 30 degrees of freedom.
const T_POINTS: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// Of the normal distribution, for more.
const T_MANY: f64 = 1.96;

/// Of these values; those that were not measured are left out.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn interval(values: &[f64]) -> Interval {
    let values: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    if count < 2 {
        return Interval {
            count,
            mean,
            half_width: 0.0,
        };
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (count - 1) as f64 / count as f64).sqrt();
    let t = T_POINTS.get(count - 2).copied().unwrap_or(T_MANY);
    Interval {
        count,
        mean,
        half_width: t * error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_as_the_tables_have_it() {
        let found = interval(&[1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN]);
        assert_eq!((found.count, found.mean), (5, 3.0));
        // s = 1.5811, s / √5 = 0.7071, t(4) = 2.776.
        assert!((found.half_width - 1.963).abs() < 1e-3, "{found:?}");
        assert_eq!(interval(&[7.0]).half_width, 0.0);
        assert!(interval(&[]).mean.is_nan());
    }
}
