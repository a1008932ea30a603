//! The experiments of the text, and the times that it prints.

use peers::rounds::Result;
use serde::Serialize;

use crate::work::Work;

/// Jobs that are run in several ways.
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// One way to run the jobs.
pub(crate) struct Line {
    pub(crate) how: String,
    /// Seconds printed in the text.
    pub(crate) printed: Option<f64>,
    pub(crate) run: Run,
}

/// A measurement in either language.
#[derive(Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) way: Way,
    pub(crate) workers: usize,
    pub(crate) collect: Collect,
    /// Whether the start of the workers is included; otherwise all of them have run jobs before.
    pub(crate) with_start: bool,
    pub(crate) jobs: Vec<Work>,
}

/// Executor of the jobs.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    Series,
    Threads,
    Processes,
}

/// Way of collecting results.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Collect {
    Map,
    Wait,
    /// Within [`LIMIT_SECONDS`].
    AsCompleted,
    /// On one thread.
    Await,
}

/// Time limit for collecting jobs as they complete.
pub(crate) const LIMIT_SECONDS: u64 = 7;

/// Duration and results of a run.
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) results: Vec<Vec<u64>>,
}

impl Measured {
    /// Returns the duration.
    ///
    /// # Errors
    /// If a result is wrong. Both languages are checked against the same results.
    pub(crate) fn checked(self, run: &Run) -> Result<f64> {
        let expected: Vec<Vec<u64>> = run.jobs.iter().map(Work::expected).collect();
        if self.results == expected {
            Ok(self.seconds)
        } else {
            Err(format!("wrong results: {:?} instead of {expected:?}", self.results).into())
        }
    }
}

/// Returns all experiments in the order of the text; with `quick`, with a hundredth of the work.
pub(crate) fn all(quick: bool) -> Vec<Experiment> {
    let part = if quick { 100 } else { 1 };
    vec![factorize(part), gcd(part), waits(part), sums(part)]
}

fn factorize(part: u64) -> Experiment {
    let jobs = [2_139_079, 1_214_759, 1_516_637, 1_852_285].map(|n| Work::Factorize(n / part));
    let ways = ExperimentBuilder::of(&jobs).series().printed(1.040);
    let ways = ways.pool("on four threads", Way::Threads, 4, Collect::Map).printed(1.061);
    ways.pool("on 2 processes", Way::Processes, 2, Collect::Map).called("factorize")
}

fn gcd(part: u64) -> Experiment {
    let pairs =
        [(1_963_309, 2_265_973), (2_030_677, 3_814_172), (1_551_645, 2_229_620), (2_039_045, 2_020_802)];
    let ways =
        ExperimentBuilder::of(&pairs.map(|(a, b)| Work::Gcd(a / part, b / part))).series().printed(1.170);
    let ways = ways.pool("on 2 threads", Way::Threads, 2, Collect::Map).printed(1.199);
    ways.pool("on 2 processes", Way::Processes, 2, Collect::Map).printed(0.663).called("gcd")
}

fn waits(part: u64) -> Experiment {
    let ways =
        ExperimentBuilder::of(&[100; 5].map(|millis| Work::Wait(millis / part))).series().printed(0.503);
    let ways = ways.pool("on five threads", Way::Threads, 5, Collect::Map).printed(0.102);
    ways.pool("on five threads, awaited", Way::Threads, 5, Collect::Await).called("five waits of 0.1 s")
}

fn sums(part: u64) -> Experiment {
    let ways = ExperimentBuilder::of(&[5, 6, 7, 8].map(|power| Work::Sum(10u64.pow(power) / part))).series();
    let ways = ways.pool("on 2 processes, `wait`", Way::Processes, 2, Collect::Wait);
    let ways = ways.pool("on 2 processes, `as_completed`", Way::Processes, 2, Collect::AsCompleted);
    ways.called("four sums 1..=n")
}

/// Builder of an experiment.
struct ExperimentBuilder {
    jobs: Vec<Work>,
    lines: Vec<Line>,
}

impl ExperimentBuilder {
    fn of(jobs: &[Work]) -> ExperimentBuilder {
        ExperimentBuilder { jobs: jobs.to_vec(), lines: Vec::new() }
    }

    fn series(mut self) -> ExperimentBuilder {
        let run = self.run(Way::Series, 1, Collect::Map);
        self.lines.push(Line { how: "in series".to_owned(), printed: None, run });
        self
    }

    /// Adds two lines: warm, and with the start of the workers.
    fn pool(mut self, how: &str, way: Way, workers: usize, collect: Collect) -> ExperimentBuilder {
        let warm = self.run(way, workers, collect);
        let cold = Run { with_start: true, ..warm.clone() };
        self.lines.push(Line { how: how.to_owned(), printed: None, run: warm });
        self.lines.push(Line { how: format!("{how}, with their start"), printed: None, run: cold });
        self
    }

    /// Sets the time that the text prints for the last line. For pools it includes the start of the workers.
    fn printed(mut self, seconds: f64) -> ExperimentBuilder {
        self.lines.last_mut().into_iter().for_each(|line| line.printed = Some(seconds));
        self
    }

    fn run(&self, way: Way, workers: usize, collect: Collect) -> Run {
        Run { way, workers, collect, with_start: false, jobs: self.jobs.clone() }
    }

    fn called(self, name: &'static str) -> Experiment {
        Experiment { name, lines: self.lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pool_has_a_line_warm_and_one_with_its_start() {
        for experiment in all(true) {
            let starts: Vec<bool> = experiment.lines.iter().map(|line| line.run.with_start).collect();
            assert_eq!(starts, [false, false, true, false, true], "{}", experiment.name);
        }
    }

    #[test]
    fn a_wrong_result_is_an_error() {
        let run = &factorize(100).lines[0].run;
        let results: Vec<Vec<u64>> = run.jobs.iter().map(Work::expected).collect();
        let swapped = results.iter().rev().cloned().collect();
        assert!(Measured { seconds: 1.0, results }.checked(run).is_ok());
        assert!(Measured { seconds: 1.0, results: swapped }.checked(run).is_err());
    }
}
