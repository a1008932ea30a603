//! Results of the measurements, printed as a table and written as JSON.

use peers::machine;
use serde::Serialize;

use crate::rounds::Series;

/// All results, and the machine.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Whether small counts were used, so that the figures are not meaningful.
    pub(crate) quick: bool,
    pub(crate) cores: usize,
    /// Name of the processor.
    pub(crate) processor: String,
    /// Load average of the last minute, before and after the benchmark.
    pub(crate) load: [f64; 2],
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Creates a report for this machine without rows.
    pub(crate) fn new(quick: bool) -> Report {
        Report {
            quick,
            cores: pool::settings::available_cores(),
            processor: machine::processor(),
            load: [machine::load(); 2],
            rows: Vec::new(),
        }
    }
}

/// A question, the results of all contenders, and the goals.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) number: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) contenders: Vec<Figure>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) notes: Vec<String>,
    /// Reason why there are no results.
    pub(crate) error: Option<String>,
}

/// Statistics of one contender over all rounds.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
}

/// A peer that could not be started.
#[derive(Clone, Serialize)]
pub(crate) struct Missing {
    pub(crate) peer: String,
    pub(crate) reason: String,
}

/// Goal of a row and its result.
#[derive(Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) got: f64,
    pub(crate) unit: &'static str,
    pub(crate) relation: Relation,
    pub(crate) must: f64,
    pub(crate) aim: f64,
    pub(crate) verdict: Verdict,
}

/// Direction of the bounds.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Relation {
    AtMost,
    AtLeast,
}

/// Whether a goal was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Missed,
    MustMet,
    AimMet,
}

impl Goal {
    /// Creates a goal for a figure that should be small.
    pub(crate) fn at_most(what: &str, got: f64, unit: &'static str, bounds: [f64; 2]) -> Goal {
        Goal::new(what, (got, unit), Relation::AtMost, bounds)
    }

    /// Creates a goal for a figure that should be large.
    pub(crate) fn at_least(what: &str, got: f64, unit: &'static str, bounds: [f64; 2]) -> Goal {
        Goal::new(what, (got, unit), Relation::AtLeast, bounds)
    }

    fn new(what: &str, got: (f64, &'static str), relation: Relation, [must, aim]: [f64; 2]) -> Goal {
        let (got, unit) = got;
        let within = |bound| match relation {
            Relation::AtMost => got <= bound,
            Relation::AtLeast => got >= bound,
        };
        let verdict = match (within(must), within(aim)) {
            (_, true) => Verdict::AimMet,
            (true, _) => Verdict::MustMet,
            _ => Verdict::Missed,
        };
        Goal { what: what.to_owned(), got, unit, relation, must, aim, verdict }
    }
}

impl Row {
    /// Creates a row without results.
    pub(crate) fn new(number: &'static str, what: impl Into<String>, unit: &'static str) -> Row {
        Row {
            number,
            what: what.into(),
            unit,
            contenders: Vec::new(),
            goals: Vec::new(),
            missing: Vec::new(),
            notes: Vec::new(),
            error: None,
        }
    }

    /// Adds the results of contenders.
    pub(crate) fn figures<'a>(mut self, series: impl IntoIterator<Item = &'a Series>) -> Row {
        self.contenders.extend(series.into_iter().map(Figure::of));
        self
    }

    /// Adds a goal.
    pub(crate) fn goal(mut self, goal: Goal) -> Row {
        self.goals.push(goal);
        self
    }

    /// Adds peers that could not be started.
    pub(crate) fn missing(mut self, missing: impl IntoIterator<Item = Missing>) -> Row {
        self.missing.extend(missing);
        self
    }

    /// Adds a note for the reader.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Row {
        self.notes.push(note.into());
        self
    }

    /// Creates a row that could not be measured.
    pub(crate) fn failed(number: &'static str, error: &dyn std::error::Error) -> Row {
        Row { error: Some(error.to_string()), ..Row::new(number, "not measured", "") }
    }

    /// Returns whether a goal was missed.
    pub(crate) fn missed(&self) -> bool {
        self.goals.iter().any(|goal| goal.verdict == Verdict::Missed)
    }
}

impl Figure {
    fn of(series: &Series) -> Figure {
        Figure {
            name: series.name.clone(),
            median: series.median(),
            least: series.figures.iter().copied().fold(f64::INFINITY, f64::min),
            most: series.figures.iter().copied().fold(0.0, f64::max),
            rounds: series.figures.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_missed_met_or_more_than_met() {
        let small = |got| Goal::at_most("", got, "", [2.0, 1.0]).verdict;
        assert_eq!(
            [small(2.1), small(2.0), small(1.0)],
            [Verdict::Missed, Verdict::MustMet, Verdict::AimMet]
        );
        let large = |got| Goal::at_least("", got, "", [3.0, 6.0]).verdict;
        assert_eq!(
            [large(2.9), large(3.0), large(6.0)],
            [Verdict::Missed, Verdict::MustMet, Verdict::AimMet]
        );
    }
}
