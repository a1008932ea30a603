//! What is found out, as data: the table and the JSON show the same.

use peers::machine;
use serde::Serialize;

use crate::rounds::Series;

/// All that was measured, and where.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Smaller counts: the figures say nothing.
    pub(crate) quick: bool,
    pub(crate) cores: usize,
    /// The processor, as the system calls it.
    pub(crate) processor: String,
    /// Before and after: the average number of programs that wanted to run in the last minute.
    pub(crate) load: [f64; 2],
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// A report of this machine, without rows.
    pub(crate) fn new(quick: bool) -> Report {
        Report {
            quick,
            cores: pool::available_cores(),
            processor: machine::processor(),
            load: [machine::load(); 2],
            rows: Vec::new(),
        }
    }
}

/// One question, everybody's figures, and what was wanted.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) number: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) contenders: Vec<Figure>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) notes: Vec<String>,
    /// Why there are no figures.
    pub(crate) error: Option<String>,
}

/// What one contender's rounds gave.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
}

/// A peer that could not be had.
#[derive(Clone, Serialize)]
pub(crate) struct Missing {
    pub(crate) peer: String,
    pub(crate) reason: String,
}

/// What was wanted of a row, and what it got.
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

/// Which side of its bounds a figure has to be on.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Relation {
    AtMost,
    AtLeast,
}

/// How a goal was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Missed,
    MustMet,
    AimMet,
}

impl Goal {
    /// A figure that should be small.
    pub(crate) fn at_most(what: &str, got: f64, unit: &'static str, bounds: [f64; 2]) -> Goal {
        Goal::new(what, (got, unit), Relation::AtMost, bounds)
    }

    /// A figure that should be large.
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
    /// A row without figures yet.
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

    /// Adds what contenders got.
    pub(crate) fn figures<'a>(mut self, series: impl IntoIterator<Item = &'a Series>) -> Row {
        self.contenders.extend(series.into_iter().map(Figure::of));
        self
    }

    /// Adds what was wanted.
    pub(crate) fn goal(mut self, goal: Goal) -> Row {
        self.goals.push(goal);
        self
    }

    /// Adds peers that could not be had.
    pub(crate) fn missing(mut self, missing: impl IntoIterator<Item = Missing>) -> Row {
        self.missing.extend(missing);
        self
    }

    /// Adds what a reader has to know.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Row {
        self.notes.push(note.into());
        self
    }

    /// A row that could not be measured.
    pub(crate) fn failed(number: &'static str, error: &dyn std::error::Error) -> Row {
        Row { error: Some(error.to_string()), ..Row::new(number, "not measured", "") }
    }

    /// Whether something that must be was not.
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
