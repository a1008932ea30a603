//! From figures to places: linear and logarithmic scales, and where their ticks stand.

/// The least and the largest figure that is drawn: what lies outside is no measurement, and sums of it would overflow.
const DRAWN: std::ops::RangeInclusive<f64> = 1e-9..=1e18;

/// Whether a figure can be drawn.
pub(super) fn drawable(value: f64) -> bool {
    DRAWN.contains(&value)
}

/// How figures are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In equal steps.
    Linear,
    /// In equal steps of whole numbers.
    Whole,
    /// In steps of ten times as much.
    Decades,
    /// In steps of twice as much.
    Doublings,
}

/// The figures that an axis shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Domain {
    kind: Kind,
    low: f64,
    high: f64,
}

impl Domain {
    /// From zero to a little above the largest of these.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let high = extremes(values).map_or(1.0, |(_, high)| high);
        Self { kind: Kind::Linear, low: 0.0, high: high * 1.04 }
    }

    /// From the least to the largest of these whole numbers.
    pub(super) fn whole(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values).unwrap_or((1.0, 2.0));
        Self { kind: Kind::Whole, low, high: if high > low { high } else { low + low.max(1.0) } }
    }

    /// From the least to the largest of these, in equal ratios.
    pub(super) fn log(kind: Kind, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values).unwrap_or((1.0, 10.0));
        // A single figure stands in the middle.
        if high / low < 1.5 {
            Self { kind, low: low / 2.0, high: high * 2.0 }
        } else {
            Self { kind, low, high }
        }
    }

    /// The same with a little room at both ends, for axes that lines should not touch.
    pub(super) fn with_room(self) -> Self {
        let room = (self.high / self.low).powf(0.04);
        Self { low: self.low / room, high: self.high * room, ..self }
    }

    /// Both ends.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Where its figures go if it is laid between two places.
    pub(super) fn onto(self, from: f64, to: f64) -> Scale {
        Scale { domain: self, from, to }
    }

    /// Figures to write at an axis that has room for so many.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2);
        match self.kind {
            Kind::Linear => self.even_ticks(most, 0.0),
            Kind::Whole => self.even_ticks(most, 1.0),
            Kind::Decades => self.decades(most),
            Kind::Doublings => self.powers(2.0, most, &[1, 2, 4, 8, 10, 20, 40]),
        }
    }

    /// Figures between those ticks that deserve a small mark without a figure: they show that a scale is logarithmic.
    pub(super) fn small_ticks(&self) -> Vec<f64> {
        // Over more decades than these they would be a grey band.
        if self.kind != Kind::Decades || self.high / self.low > 1e9 {
            return Vec::new();
        }
        self.exponents(10.0)
            .flat_map(|exponent| (1..10).map(move |digit| f64::from(digit) * 10_f64.powi(exponent)))
            .filter(|value| self.holds(*value))
            .collect()
    }

    fn holds(&self, value: f64) -> bool {
        // Powers are not exact.
        value >= self.low * (1.0 - 1e-9) && value <= self.high * (1.0 + 1e-9)
    }

    /// The powers of a base that surround the domain.
    fn exponents(&self, base: f64) -> std::ops::RangeInclusive<i32> {
        let low = (self.low.ln() / base.ln()).floor() as i32;
        let high = (self.high.ln() / base.ln()).ceil() as i32;
        low..=high
    }

    fn even_ticks(&self, most: usize, least_step: f64) -> Vec<f64> {
        let step = nice((self.high - self.low) / (most - 1) as f64).max(least_step);
        let first = (self.low / step - 1e-9).ceil();
        (0..most).map(|index| (first + index as f64) * step).take_while(|value| self.holds(*value)).collect()
    }

    fn decades(&self, most: usize) -> Vec<f64> {
        for digits in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]] {
            let ticks: Vec<f64> = self
                .exponents(10.0)
                .flat_map(|exponent| digits.iter().map(move |digit| digit * 10_f64.powi(exponent)))
                .filter(|value| self.holds(*value))
                .collect();
            if (2..=most).contains(&ticks.len()) {
                return ticks;
            }
        }
        let ticks = self.powers(10.0, most, &[1, 2, 3, 6, 9, 12, 18]);
        // Within one decade an even step says more than a single tick.
        if ticks.len() < 2 { self.even_ticks(most, 0.0) } else { ticks }
    }

    /// Powers of a base whose exponents are multiples of the first of these steps that gives few enough.
    fn powers(&self, base: f64, most: usize, steps: &[i32]) -> Vec<f64> {
        let with = |step: i32| {
            self.exponents(base)
                .filter(|exponent| exponent % step == 0)
                .map(|exponent| base.powi(exponent))
                .filter(|value| self.holds(*value))
                .collect::<Vec<f64>>()
        };
        steps.iter().map(|step| with(*step)).find(|ticks| ticks.len() <= most).unwrap_or_default()
    }
}

/// The least and the largest of those that can be drawn.
fn extremes(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| drawable(*value)).fold(None, |ends, value| {
        let (low, high): (f64, f64) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= step * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

/// A domain between two places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    domain: Domain,
    from: f64,
    to: f64,
}

impl Scale {
    /// Where a figure goes; at an end if it lies outside.
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
    fn decades_are_thinned_to_what_fits() {
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
    fn sizes_stand_at_powers_of_two() {
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
    fn places_are_between_the_ends() {
        let scale = Domain::log(Kind::Decades, [100.0, 10_000.0]).onto(50.0, 250.0);
        assert_eq!(scale.at(100.0), 50.0);
        assert!((scale.at(1000.0) - 150.0).abs() < 1e-9);
        assert_eq!(scale.at(1e9), 250.0);
        assert_eq!(scale.at(f64::NAN), 50.0);
        assert_eq!(Domain::from_zero([]).onto(0.0, 10.0).at(0.0), 0.0);
    }

    proptest! {
        #[test]
        fn ticks_are_few_ascending_and_inside(values in prop::collection::vec(any::<f64>(), 0..4), most in 2_usize..12) {
            for domain in [
                Domain::from_zero(values.clone()),
                Domain::whole(values.clone()),
                Domain::log(Kind::Decades, values.clone()),
                Domain::log(Kind::Doublings, values.clone()).with_room(),
            ] {
                let ticks = domain.ticks(most);
                prop_assert!(ticks.len() <= most);
                prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ticks);
                let (low, high) = domain.ends();
                prop_assert!(low < high && ticks.iter().all(|tick| *tick >= low * 0.999 && *tick <= high * 1.001));
                let scale = domain.onto(0.0, 100.0);
                prop_assert!(values.iter().all(|value| (0.0..=100.0).contains(&scale.at(*value))));
            }
        }
    }
}
