//! Maps values to positions: linear and logarithmic scales, and their ticks.

/// Range of values that are drawn. Values outside of it are not measurements, and sums of them could
/// overflow.
const DRAWABLE: std::ops::RangeInclusive<f64> = 1e-9..=1e18;

/// Returns whether a value can be drawn.
pub(super) fn drawable(value: f64) -> bool {
    DRAWABLE.contains(&value)
}

/// Kind of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Linear.
    Linear,
    /// Linear with ticks at whole numbers.
    Whole,
    /// Logarithmic with ticks at powers of ten.
    Decades,
    /// Logarithmic with ticks at powers of two.
    Doublings,
}

/// Range of values of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Domain {
    kind: Kind,
    low: f64,
    high: f64,
}

impl Domain {
    /// From zero to slightly above the largest value.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let high = extremes(values).map_or(1.0, |(_, high)| high);
        Self { kind: Kind::Linear, low: 0.0, high: high * 1.04 }
    }

    /// From the smallest to the largest value, which are whole numbers.
    pub(super) fn whole(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values).unwrap_or((1.0, 2.0));
        Self { kind: Kind::Whole, low, high: if high > low { high } else { low + low.max(1.0) } }
    }

    /// From the smallest to the largest value, logarithmic.
    pub(super) fn log(kind: Kind, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values).unwrap_or((1.0, 10.0));
        // A single value is in the middle.
        if high / low < 1.5 {
            Self { kind, low: low / 2.0, high: high * 2.0 }
        } else {
            Self { kind, low, high }
        }
    }

    /// Adds a margin at both ends, for axes that lines should not touch.
    pub(super) fn with_room(self) -> Self {
        let room = (self.high / self.low).powf(0.04);
        Self { low: self.low / room, high: self.high * room, ..self }
    }

    /// Smallest and largest value.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Maps the domain to positions.
    pub(super) fn onto(self, from: f64, to: f64) -> Scale {
        Scale { domain: self, from, to }
    }

    /// Values of at max `max` labelled ticks.
    pub(super) fn ticks(&self, max: usize) -> Vec<f64> {
        let max = max.max(2);
        match self.kind {
            Kind::Linear => self.even_ticks(max, 0.0),
            Kind::Whole => self.even_ticks(max, 1.0),
            Kind::Decades => self.decades(max),
            Kind::Doublings => self.powers(2.0, max, &[1, 2, 4, 8, 10, 20, 40]),
        }
    }

    /// Values of ticks without labels, which show that a scale is logarithmic.
    pub(super) fn small_ticks(&self) -> Vec<f64> {
        // Over more than 9 decades they would merge into a grey band.
        if self.kind != Kind::Decades || self.high / self.low > 1e9 {
            return Vec::new();
        }
        self.exponents(10.0)
            .flat_map(|exponent| (1..10).map(move |digit| f64::from(digit) * 10_f64.powi(exponent)))
            .filter(|value| self.holds(*value))
            .collect()
    }

    fn holds(&self, value: f64) -> bool {
        // Powers are not exact in floating point.
        value >= self.low * (1.0 - 1e-9) && value <= self.high * (1.0 + 1e-9)
    }

    /// Exponents of a base whose powers enclose the domain.
    fn exponents(&self, base: f64) -> std::ops::RangeInclusive<i32> {
        let low = (self.low.ln() / base.ln()).floor() as i32;
        let high = (self.high.ln() / base.ln()).ceil() as i32;
        low..=high
    }

    fn even_ticks(&self, max: usize, min_step: f64) -> Vec<f64> {
        let step = nice((self.high - self.low) / (max - 1) as f64).max(min_step);
        let first = (self.low / step - 1e-9).ceil();
        (0..max).map(|index| (first + index as f64) * step).take_while(|value| self.holds(*value)).collect()
    }

    fn decades(&self, max: usize) -> Vec<f64> {
        for digits in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]] {
            let ticks: Vec<f64> = self
                .exponents(10.0)
                .flat_map(|exponent| digits.iter().map(move |digit| digit * 10_f64.powi(exponent)))
                .filter(|value| self.holds(*value))
                .collect();
            if (2..=max).contains(&ticks.len()) {
                return ticks;
            }
        }
        let ticks = self.powers(10.0, max, &[1, 2, 3, 6, 9, 12, 18]);
        // Within one decade, even steps are better than a single tick.
        if ticks.len() < 2 { self.even_ticks(max, 0.0) } else { ticks }
    }

    /// Powers of a base with exponents that are multiples of a step: the first of `steps` that gives at most
    /// `max` ticks.
    fn powers(&self, base: f64, max: usize, steps: &[i32]) -> Vec<f64> {
        let with = |step: i32| {
            self.exponents(base)
                .filter(|exponent| exponent % step == 0)
                .map(|exponent| base.powi(exponent))
                .filter(|value| self.holds(*value))
                .collect::<Vec<f64>>()
        };
        steps.iter().map(|step| with(*step)).find(|ticks| ticks.len() <= max).unwrap_or_default()
    }
}

/// Smallest and largest drawable value.
fn extremes(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| drawable(*value)).fold(None, |ends, value| {
        let (low, high): (f64, f64) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The next larger number of the form 1, 2 or 5 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= step * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// A domain mapped to positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    domain: Domain,
    from: f64,
    to: f64,
}

impl Scale {
    /// Position of a value; an end of the scale if the value is outside.
    pub(super) fn at(&self, value: f64) -> f64 {
        let Domain { kind, low, high } = self.domain;
        let part = match kind {
            Kind::Linear | Kind::Whole => (value - low) / (high - low),
            Kind::Decades | Kind::Doublings => (value / low).ln() / (high / low).ln(),
        };
        let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        self.from + part * (self.to - self.from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        let near = |(one, other): (&f64, &f64)| (one - other).abs() <= 1e-9 * other.abs();
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(near),
            "{found:?} is not {expected:?}"
        );
    }

    #[test]
    fn decades_are_thinned_to_fit() {
        let grains = Domain::log(Kind::Decades, [100.0, 1e8]);
        close(&grains.ticks(7), &[1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
        close(&grains.ticks(5), &[1e2, 1e4, 1e6, 1e8]);
        close(&grains.ticks(3), &[1e3, 1e6]);
    }

    #[test]
    fn short_domains_have_ticks_too() {
        close(&Domain::log(Kind::Decades, [80.0, 2200.0]).ticks(6), &[1e2, 2e2, 5e2, 1e3, 2e3]);
        close(&Domain::log(Kind::Decades, [130.0, 197.0]).ticks(5), &[140.0, 160.0, 180.0]);
    }

    #[test]
    fn ticks_of_sizes_are_powers_of_two() {
        let sizes = Domain::log(Kind::Doublings, [16.0, 16_777_216.0]);
        close(&sizes.ticks(6), &[16.0, 256.0, 4096.0, 65_536.0, 1_048_576.0, 16_777_216.0]);
    }

    #[test]
    fn even_ticks_start_at_zero() {
        close(&Domain::from_zero([0.4, 1.98]).ticks(6), &[0.0, 0.5, 1.0, 1.5, 2.0]);
        close(&Domain::whole([1.0, 4.0]).ticks(8), &[1.0, 2.0, 3.0, 4.0]);
        close(&Domain::whole([1.0, 64.0]).ticks(5), &[20.0, 40.0, 60.0]);
    }

    #[test]
    fn positions_are_between_the_ends() {
        let scale = Domain::log(Kind::Decades, [100.0, 10_000.0]).onto(50.0, 250.0);
        assert_eq!(scale.at(100.0), 50.0);
        assert!((scale.at(1000.0) - 150.0).abs() < 1e-9);
        assert_eq!(scale.at(1e9), 250.0);
        assert_eq!(scale.at(f64::NAN), 50.0);
        assert_eq!(Domain::from_zero([]).onto(0.0, 10.0).at(0.0), 0.0);
    }

    proptest! {
        #[test]
        fn ticks_are_few_ascending_and_inside(
            values in prop::collection::vec(any::<f64>(), 0..4),
            max in 2_usize..12,
        ) {
            for domain in [
                Domain::from_zero(values.clone()),
                Domain::whole(values.clone()),
                Domain::log(Kind::Decades, values.clone()),
                Domain::log(Kind::Doublings, values.clone()).with_room(),
            ] {
                let ticks = domain.ticks(max);
                prop_assert!(ticks.len() <= max);
                prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ticks);
                let (low, high) = domain.ends();
                let is_inside = |tick: &f64| *tick >= low * 0.999 && *tick <= high * 1.001;
                prop_assert!(low < high && ticks.iter().all(is_inside));
                let scale = domain.onto(0.0, 100.0);
                prop_assert!(values.iter().all(|value| (0.0..=100.0).contains(&scale.at(*value))));
            }
        }
    }
}
