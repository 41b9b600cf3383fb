//! How unequal a load is shared.
//!
//! Source: C. Gini 1912, as the mean absolute difference over twice the mean. Cost: O(n log n).

/// 0 where all have the same, towards 1 where one has all. Negative values count as nothing; 0 of
/// nothing.
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|value| value.max(0.0)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let sum: f64 = sorted.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return 0.0;
    }
    let len = sorted.len() as f64;
    let ranks = sorted.iter().zip(1u32..);
    let weighted: f64 = ranks.map(|(value, rank)| f64::from(rank) * value).sum();
    (2.0 * weighted / (len * sum) - (len + 1.0) / len).max(0.0)
}
