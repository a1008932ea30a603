//! Names of queues, runs and batches, and the subjects and streams that they become.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// The most characters of a name.
const MOST_CHARACTERS: usize = 64;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {MOST_CHARACTERS} of the characters A-Z, a-z, 0-9, - and _")]
pub struct BadName;

fn checked(text: &str) -> Result<String, BadName> {
    let is_good = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    match (1..=MOST_CHARACTERS).contains(&text.len()) && text.bytes().all(is_good) {
        true => Ok(text.to_owned()),
        false => Err(BadName),
    }
}

/// A queue's name: a part of subjects and of streams' names, so letters, digits, `-` and `_` only.
///
/// ```
/// let queue: cluster::Queue = "nightly-2".parse().unwrap();
/// assert_eq!(queue.to_string(), "nightly-2");
/// assert!("no.dots".parse::<cluster::Queue>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue(String);

/// A run's name, under which its results are found again; the same characters as a [`Queue`]'s.
///
/// ```
/// use cluster::RunId;
///
/// assert_eq!("monday".parse::<RunId>().unwrap().to_string(), "monday");
/// assert_ne!(RunId::generate(), RunId::generate());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The jobs `first .. first + count` of a run, counted from 0 in the order in which they were pushed; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// A queue's three streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Jobs,
    Results,
    Quarantine,
}

impl FromStr for Queue {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Queue, BadName> {
        checked(text).map(Queue)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<RunId, BadName> {
        checked(text).map(RunId)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl RunId {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that no other run has: the time (UTC), and what chance adds.
    #[must_use]
    pub fn generate() -> RunId {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        // The seeds of the standard library's hash tables are the chance that needs no further crate.
        let chance = RandomState::new().hash_one(seconds) as u32;
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        RunId(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}-{chance:08x}"))
    }
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

impl Queue {
    /// The name of one of its streams.
    pub(crate) fn stream(&self, which: Which) -> String {
        let suffix = match which {
            Which::Jobs => "JOBS",
            Which::Results => "RESULTS",
            Which::Quarantine => "QUARANTINE",
        };
        format!("RUNNER_{self}_{suffix}")
    }

    /// The subject of a batch in one of the streams.
    pub(crate) fn subject(&self, which: Which, run: &RunId, Span { first, count }: Span) -> String {
        format!("runner.{self}.{}.{run}.{first}.{count}", kind(which))
    }

    /// All subjects of a run, or of all of them, in one of the streams.
    pub(crate) fn all(&self, which: Which, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.{}.{run}.>", kind(which)),
            None => format!("runner.{self}.{}.>", kind(which)),
        }
    }

    /// Subjects of pieces of a run's large messages, which lie among the results.
    pub(crate) fn parts(&self, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.parts.{run}.>"),
            None => format!("runner.{self}.parts.>"),
        }
    }

    /// A piece of a large message.
    pub(crate) fn part(&self, run: &RunId, group: &str, number: usize) -> String {
        format!("runner.{self}.parts.{run}.{group}.{number}")
    }

    /// Where it is noted that a batch has been begun again.
    pub(crate) fn attempts(&self, run: &RunId, Span { first, count }: Span) -> String {
        format!("runner.{self}.attempts.{run}.{first}.{count}")
    }

    /// All such notes, of a run or of all of them.
    pub(crate) fn all_attempts(&self, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.attempts.{run}.>"),
            None => format!("runner.{self}.attempts.>"),
        }
    }

    /// Where a run's submitters write down who works on it.
    pub(crate) fn claim(&self, run: &RunId) -> String {
        format!("runner.{self}.claims.{run}")
    }

    /// All that, of all runs.
    pub(crate) fn all_claims(&self) -> String {
        format!("runner.{self}.claims.*")
    }

    /// Where a submitter is asked for signs of life.
    pub(crate) fn submitter(&self, id: &str) -> String {
        format!("runner.{self}.submitter.{id}")
    }

    /// Where nodes are asked for signs of life.
    pub(crate) fn ping(&self) -> String {
        format!("runner.{self}.ping")
    }
}

fn kind(which: Which) -> &'static str {
    match which {
        Which::Jobs => "jobs",
        Which::Results => "results",
        Which::Quarantine => "quarantine",
    }
}

/// The run and the jobs that a batch's subject names.
pub(crate) fn parse_subject(subject: &str) -> Option<(RunId, Span)> {
    let mut tokens = subject.split('.').skip(3);
    let run = tokens.next()?.parse().ok()?;
    let first = tokens.next()?.parse().ok()?;
    let count = tokens.next()?.parse().ok().filter(|&count| count > 0)?;
    let whole = tokens.next().is_none() && u64::checked_add(first, count).is_some();
    whole.then_some((run, Span { first, count }))
}

impl Span {
    pub(crate) fn end(self) -> u64 {
        self.first + self.count
    }

    pub(crate) fn last(self) -> u64 {
        self.end() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_cannot_change_the_meaning_of_a_subject() {
        for bad in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Queue>(), Err(BadName), "{bad:?}");
            assert_eq!(bad.parse::<RunId>(), Err(BadName), "{bad:?}");
        }
        assert!("x".repeat(64).parse::<Queue>().is_ok());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_778), (2026, 11, 21));
        let name = RunId::generate().to_string();
        assert_eq!((name.len(), name.parse()), (24, Ok(RunId(name.clone()))));
    }

    #[test]
    fn what_is_no_batch_is_not_taken_for_one() {
        for bad in
            ["runner.q.jobs.r.1", "runner.q.jobs.r.1.0", "runner.q.jobs.r.1.2.3", "runner.q.jobs.r.x.1", ""]
        {
            assert_eq!(parse_subject(bad), None, "{bad}");
        }
        assert_eq!(parse_subject(&format!("runner.q.jobs.r.{}.1", u64::MAX)), None);
    }

    proptest! {
        #[test]
        fn a_subject_tells_its_batch(first in 0..u64::MAX / 2, count in 1..u64::MAX / 2) {
            let (queue, run): (Queue, RunId) = ("q-1".parse().unwrap(), "r_1".parse().unwrap());
            let span = Span { first, count };
            for which in [Which::Jobs, Which::Results, Which::Quarantine] {
                prop_assert_eq!(parse_subject(&queue.subject(which, &run, span)), Some((run.clone(), span)));
            }
        }
    }
}
