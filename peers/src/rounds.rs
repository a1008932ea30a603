//! Measuring in turns: whatever disturbs the machine for a while disturbs all contenders.

use std::error::Error;

/// Anything may go wrong with a contender; the row then says what.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Somebody who can do the work of a row.
pub struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    /// `run` does the work once and says what it cost, in the row's unit.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<f64> + 'a) -> Contender<'a> {
        Contender { name: name.into(), run: Box::new(run) }
    }
}

/// What one contender's rounds gave, in their order.
#[derive(Clone)]
pub struct Series {
    /// Whose they are.
    pub name: String,
    /// One for each round.
    pub figures: Vec<f64>,
}

impl Series {
    /// The figure in the middle.
    pub fn median(&self) -> f64 {
        median(self.figures.clone())
    }

    /// The middle of what this cost divided by what the other one cost in the same round.
    pub fn against(&self, other: &Series) -> f64 {
        median(self.figures.iter().zip(&other.figures).map(|(mine, other)| mine / other).collect())
    }
}

/// Lets each contender run once a round. Who goes first changes from round to round, since whoever follows a long
/// run finds the processor warm.
///
/// # Errors
/// What goes wrong with a contender, under its name.
pub fn alternate(mut contenders: Vec<Contender<'_>>, rounds: usize) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| Series { name: contender.name.clone(), figures: Vec::new() })
        .collect();
    let count = contenders.len();
    for round in 0..rounds {
        for turn in 0..count {
            let place = (turn + round) % count;
            let Contender { name, run } = &mut contenders[place];
            let figure = run().map_err(|error| format!("{name}: {error}"))?;
            series[place].figures.push(figure);
        }
    }
    Ok(series)
}

/// The figure in the middle; 0 if there is none.
pub fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which so large a part of all lies; 0 if there is none.
pub fn quantile(mut figures: Vec<f64>, part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let place = (figures.len() as f64 * part) as usize;
    figures.get(place.min(figures.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn contenders_take_turns_and_the_first_one_changes() {
        let order = RefCell::new(String::new());
        let contender = |name: &'static str, figure: f64| {
            let order = &order;
            Contender::new(name, move || {
                order.borrow_mut().push_str(name);
                Ok(figure)
            })
        };
        let series = alternate(vec![contender("a", 1.0), contender("b", 4.0)], 3).expect("nothing fails");
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(series[1].against(&series[0]), 4.0);
    }

    #[test]
    fn quantiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!((quantile(figures.clone(), 0.99), quantile(figures, 1.0)), (99.0, 99.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
