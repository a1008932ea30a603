//! Measuring in turns: whatever disturbs the machine for a while disturbs all contenders.

use std::{
    error::Error,
    fmt::{self, Debug, Display},
};

/// Somebody who can do the work of a comparison.
pub struct Contender<'a, E> {
    name: String,
    run: Box<dyn FnMut() -> Result<f64, E> + 'a>,
}

impl<'a, E> Contender<'a, E> {
    /// `run` does the work once and says what it cost, in whatever unit all contenders share.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<f64, E> + 'a) -> Contender<'a, E> {
        Contender { name: name.into(), run: Box::new(run) }
    }
}

/// What one contender's rounds gave, in their order.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whose they are.
    pub name: String,
    /// What each round cost.
    pub figures: Vec<f64>,
}

impl Series {
    /// The figure in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(self.figures.clone())
    }

    /// The middle of what this cost divided by what the other one cost in the same round.
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

/// A contender could not do the work, so that there is nothing to compare.
#[derive(Debug)]
pub struct GivenUp<E> {
    /// Who it was.
    pub name: String,
    /// Why.
    pub error: E,
}

impl<E: Display> Display for GivenUp<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}

impl<E: Debug + Display> Error for GivenUp<E> {}

/// Lets each contender run once a round. Who goes first changes from round to round, since whoever follows a long
/// run finds the processor warm.
///
/// # Errors
/// When a contender cannot do the work.
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

/// The figure in the middle; 0 if there is none.
#[must_use]
pub fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which so large a part of all lies; 0 if there is none.
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
    fn contenders_take_turns_and_the_first_one_changes() {
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
    fn whoever_gives_up_is_named() {
        let contenders = vec![Contender::new("a", || Ok(1.0)), Contender::new("b", || Err("no wind"))];
        assert_eq!(alternate(contenders, 3).unwrap_err().to_string(), "b: no wind");
    }

    #[test]
    fn quantiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!((quantile(figures.clone(), 0.99), quantile(figures, 1.0)), (99.0, 99.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
