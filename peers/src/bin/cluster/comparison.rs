//! Compares the cluster with other ways to run the same jobs.

use peers::rounds::{Contender, Result, Series, alternate};

use crate::{
    cluster::{Cluster, run_locally},
    jobs::Jobs,
    python::Peer,
};

/// Duration of the longer jobs in seconds.
const SECONDS: f64 = 0.01;

/// Results of all contenders for one kind of job.
pub(crate) struct Comparison {
    pub(crate) what: &'static str,
    /// The first line is that of the cluster.
    pub(crate) lines: Vec<Line>,
}

/// Result of one contender.
pub(crate) struct Line {
    /// Number of jobs per round.
    pub(crate) jobs: usize,
    /// Jobs per second in each round.
    pub(crate) speeds: Series,
    /// Speed of the cluster divided by that of this contender, median of all rounds.
    pub(crate) ratio: f64,
    /// Required minimum of the ratio.
    pub(crate) required: Option<f64>,
}

/// A contender that runs jobs and returns the seconds that they took.
struct Entry<'a> {
    name: String,
    jobs: usize,
    required: Option<f64>,
    run: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Entry<'a> {
    fn new(name: impl Into<String>, jobs: usize, run: impl FnMut() -> Result<f64> + 'a) -> Entry<'a> {
        Entry { name: name.into(), jobs, required: None, run: Box::new(run) }
    }
}

impl Line {
    /// Returns whether the ratio is below its required minimum.
    pub(crate) fn missed(&self) -> bool {
        self.required.is_some_and(|required| self.ratio < required)
    }
}

/// Compares jobs that take less time than their transport.
pub(crate) fn tiny(cluster: &Cluster, peers: &[Peer], jobs: &Jobs, rounds: usize) -> Result<Comparison> {
    let mut entries = ours(cluster, jobs, None);
    for peer in peers {
        let required = if peer.name == "Ray" { 20.0 } else { 50.0 };
        for (in_task, required) in [(1, Some(required)), (100, None)] {
            let count = peer.gcds_in_turn(in_task)?.min(jobs.count);
            let name = match in_task {
                1 => format!("{}, a task a job", peer.name),
                _ => format!("{}, {in_task} jobs a task", peer.name),
            };
            let entry = Entry::new(name, count, move || peer.gcds(count, in_task));
            entries.push(Entry { required, ..entry });
        }
    }
    compare("one gcd of 22 bits", entries, rounds)
}

/// Compares jobs that take longer than their transport.
pub(crate) fn longer(cluster: &Cluster, peers: &[Peer], jobs: &Jobs, rounds: usize) -> Result<Comparison> {
    let mut entries = ours(cluster, jobs, Some(0.9));
    for peer in peers {
        let (count, n) = (jobs.count, peer.summands(SECONDS)?);
        entries.push(Entry::new(format!("{}, a task a job", peer.name), count, move || peer.sums(count, n)));
    }
    compare("10 ms of adding", entries, rounds)
}

/// Writes the jobs for [`longer`].
pub(crate) fn longer_jobs(folder: &std::path::Path, count: usize) -> Result<Jobs> {
    Jobs::sums(folder, count, SECONDS)
}

fn ours<'a>(cluster: &'a Cluster, jobs: &'a Jobs, required: Option<f64>) -> Vec<Entry<'a>> {
    let local = Entry::new("`runner --workers 2`, no cluster", jobs.count, || run_locally(jobs));
    vec![
        Entry::new("`runner --cluster`, two nodes of one worker", jobs.count, || cluster.run(jobs)),
        Entry { required, ..local },
    ]
}

fn compare(what: &'static str, entries: Vec<Entry<'_>>, rounds: usize) -> Result<Comparison> {
    let known: Vec<_> = entries.iter().map(|entry| (entry.jobs, entry.required)).collect();
    let contender =
        |Entry { name, jobs, mut run, .. }| Contender::new(name, move || Ok(jobs as f64 / run()?));
    let series = alternate(entries.into_iter().map(contender).collect(), rounds)?;
    let cluster = series.first().cloned().ok_or("no contender was measured")?;
    let line = |(speeds, (jobs, required)): (Series, _)| {
        let ratio = cluster.against(&speeds);
        Line { jobs, speeds, ratio, required }
    };
    Ok(Comparison { what, lines: series.into_iter().zip(known).map(line).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_compared_with_the_first_contender() {
        let entries = vec![
            Entry::new("first", 100, || Ok(1.0)),
            Entry { required: Some(20.0), ..Entry::new("second", 30, || Ok(3.0)) },
            Entry { required: Some(0.9), ..Entry::new("third", 120, || Ok(1.0)) },
        ];
        let lines = compare("", entries, 3).unwrap().lines;
        assert_eq!(lines.iter().map(|line| line.speeds.median()).collect::<Vec<_>>(), [100.0, 10.0, 120.0]);
        assert_eq!(lines.iter().map(Line::missed).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(lines[1].ratio, 10.0);
    }
}
