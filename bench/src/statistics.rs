//! What many measurements say together.

/// The middle of some measurements and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// None when there is nothing measured.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let quarter = |number| quarter(&values, number);
        Some(Self { lower: quarter(1)?, median: quarter(2)?, upper: quarter(3)? })
    }
}

/// So many quarters of the sorted values are below; between two values it is interpolated.
fn quarter(sorted: &[f64], number: usize) -> Option<f64> {
    let quarters = sorted.len().checked_sub(1)? * number;
    let (index, rest) = (quarters / 4, quarters % 4);
    let (here, next) = (sorted.get(index)?, sorted.get(index + 1).or(sorted.last())?);
    let share = [0.0, 0.25, 0.5, 0.75][rest];
    Some(here + (next - here) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_between_values() {
        let quartiles = |values: &[f64]| Quartiles::of(values.iter().copied());
        let expected = |lower, median, upper| Some(Quartiles { lower, median, upper });
        assert_eq!(quartiles(&[]), None);
        assert_eq!(quartiles(&[2.0]), expected(2.0, 2.0, 2.0));
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), expected(1.75, 2.5, 3.25));
        assert_eq!(quartiles(&[9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), expected(3.0, 5.0, 7.0));
    }
}
