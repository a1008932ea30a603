//! Measurement in alternation: a disturbance of the machine affects all contenders alike.

use std::{
    error::Error,
    fmt::{self, Debug, Display},
};

/// A participant of a comparison.
pub struct Contender<'a, E> {
    name: String,
    run: Box<dyn FnMut() -> Result<f64, E> + 'a>,
}

impl<'a, E> Contender<'a, E> {
    /// `run` does the work once and returns its cost, in a unit that all contenders share.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<f64, E> + 'a) -> Contender<'a, E> {
        Contender { name: name.into(), run: Box::new(run) }
    }
}

/// Costs of one contender, by round.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name of the contender.
    pub name: String,
    /// Cost of each round.
    pub figures: Vec<f64>,
}

impl Series {
    /// Median cost.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(self.figures.clone())
    }

    /// Median of the ratios of this series' costs to the other's, round by round.
    #[must_use]
    pub fn against(&self, other: &Series) -> f64 {
        median(self.ratios(other))
    }

    /// Cost of each round divided by the cost of the other series in the same round.
    #[must_use]
    pub fn ratios(&self, other: &Series) -> Vec<f64> {
        self.figures.iter().zip(&other.figures).map(|(mine, other)| mine / other).collect()
    }
}

/// A contender failed, so there is nothing to compare.
#[derive(Debug)]
pub struct GivenUp<E> {
    /// Name of the contender.
    pub name: String,
    /// Cause of the failure.
    pub error: E,
}

impl<E: Display> Display for GivenUp<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}

impl<E: Debug + Display> Error for GivenUp<E> {}

/// Runs each contender once per round. The first one changes from round to round, because a run after a long
/// one finds a warm processor.
///
/// # Errors
/// Returns the first error of a contender.
pub fn alternate<E>(mut contenders: Vec<Contender<'_, E>>, rounds: usize) -> Result<Vec<Series>, GivenUp<E>> {
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| Series { name: contender.name.clone(), figures: Vec::new() })
        .collect();
    let count = contenders.len();
    for round in 0..rounds {
        for turn in 0..count {
            let place = (turn + round) % count;
            let Contender { name, run } = &mut contenders[place];
            let figure = run().map_err(|error| GivenUp { name: name.clone(), error })?;
            series[place].figures.push(figure);
        }
    }
    Ok(series)
}

/// Median; 0 if `figures` is empty. Of an even number it is the upper one of the middle two.
#[must_use]
pub fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The value below which the fraction `part` of `figures` lies, always one of them; 0 if there are none.
#[must_use]
pub fn quantile(mut figures: Vec<f64>, part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let place = (figures.len() as f64 * part) as usize;
    figures.get(place.min(figures.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, convert::Infallible};

    use super::*;

    #[test]
    fn contenders_alternate_and_the_first_one_changes() {
        let order = RefCell::new(String::new());
        let contender = |name: &'static str, figure: f64| {
            let order = &order;
            Contender::new(name, move || -> Result<f64, Infallible> {
                order.borrow_mut().push_str(name);
                Ok(figure)
            })
        };
        let series = alternate(vec![contender("a", 1.0), contender("b", 4.0)], 3).expect("nothing fails");
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(series[1].against(&series[0]), 4.0);
    }

    #[test]
    fn an_error_names_its_contender() {
        let contenders = vec![Contender::new("a", || Ok(1.0)), Contender::new("b", || Err("no result"))];
        assert_eq!(alternate(contenders, 3).unwrap_err().to_string(), "b: no result");
    }

    #[test]
    fn quantiles_are_measured_values() {
        let figures: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!((quantile(figures.clone(), 0.99), quantile(figures, 1.0)), (99.0, 99.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
