//! Names of queues, runs and job ranges, and the subjects and streams derived from them.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// Maximum length of a name in characters.
const MAX_LENGTH: usize = 64;

/// The text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name must have 1 to {MAX_LENGTH} of the characters A-Z, a-z, 0-9, - and _")]
pub struct InvalidName;

fn validated(text: &str) -> Result<String, InvalidName> {
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    match (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err(InvalidName),
    }
}

/// Name of a queue. It is part of subjects and of stream names, so only letters, digits, `-` and `_` are
/// allowed.
///
/// ```
/// let queue: cluster::Queue = "nightly-2".parse().unwrap();
/// assert_eq!(queue.to_string(), "nightly-2");
/// assert!("no.dots".parse::<cluster::Queue>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue(String);

/// Name of a run, under which its results are stored and found again. Same characters as a [`Queue`].
///
/// ```
/// use cluster::RunId;
///
/// assert_eq!("monday".parse::<RunId>().unwrap().to_string(), "monday");
/// assert_ne!(RunId::generate(), RunId::generate());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The jobs `first .. first + count` of a run, counted from 0 in the order in which they were pushed. Never
/// empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// The three streams of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Jobs,
    Results,
    Quarantine,
}

impl FromStr for Queue {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Queue, InvalidName> {
        validated(text).map(Queue)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<RunId, InvalidName> {
        validated(text).map(RunId)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl RunId {
    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a new name, made of the current time (UTC) and 32 random bits.
    #[must_use]
    pub fn generate() -> RunId {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        // The seeds of the standard library's hash tables are random and need no further dependency.
        let random = RandomState::new().hash_one(seconds) as u32;
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        RunId(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}-{random:08x}"))
    }
}

/// Returns year, month and day of a day counted from 1970-01-01.
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
    /// Returns the name of one of the queue's streams.
    pub(crate) fn stream(&self, kind: StreamKind) -> String {
        let suffix = match kind {
            StreamKind::Jobs => "JOBS",
            StreamKind::Results => "RESULTS",
            StreamKind::Quarantine => "QUARANTINE",
        };
        format!("RUNNER_{self}_{suffix}")
    }

    /// Returns the subject of the message with the jobs of `span` in one of the streams.
    pub(crate) fn subject(&self, kind: StreamKind, run: &RunId, Span { first, count }: Span) -> String {
        format!("runner.{self}.{}.{run}.{first}.{count}", subject_token(kind))
    }

    /// Returns the filter for all subjects of one run, or of all runs, in one of the streams.
    pub(crate) fn subjects(&self, kind: StreamKind, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.{}.{run}.>", subject_token(kind)),
            None => format!("runner.{self}.{}.>", subject_token(kind)),
        }
    }

    /// Returns the filter for the chunks of large messages, which are stored in the results stream.
    pub(crate) fn chunks(&self, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.parts.{run}.>"),
            None => format!("runner.{self}.parts.>"),
        }
    }

    /// Returns the subject of one chunk of a large message.
    pub(crate) fn chunk(&self, run: &RunId, group: &str, number: usize) -> String {
        format!("runner.{self}.parts.{run}.{group}.{number}")
    }

    /// Returns the subject under which repeated attempts at a message are recorded.
    pub(crate) fn attempts(&self, run: &RunId, Span { first, count }: Span) -> String {
        format!("runner.{self}.attempts.{run}.{first}.{count}")
    }

    /// Returns the filter for the attempt records of one run, or of all runs.
    pub(crate) fn all_attempts(&self, run: Option<&RunId>) -> String {
        match run {
            Some(run) => format!("runner.{self}.attempts.{run}.>"),
            None => format!("runner.{self}.attempts.>"),
        }
    }

    /// Returns the subject under which the current submitter of a run is stored.
    pub(crate) fn claim(&self, run: &RunId) -> String {
        format!("runner.{self}.claims.{run}")
    }

    /// Returns the filter for the claims of all runs.
    pub(crate) fn all_claims(&self) -> String {
        format!("runner.{self}.claims.*")
    }

    /// Returns the subject on which a submitter answers pings.
    pub(crate) fn submitter(&self, id: &str) -> String {
        format!("runner.{self}.submitter.{id}")
    }

    /// Returns the subject on which nodes answer pings.
    pub(crate) fn ping(&self) -> String {
        format!("runner.{self}.ping")
    }
}

fn subject_token(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Jobs => "jobs",
        StreamKind::Results => "results",
        StreamKind::Quarantine => "quarantine",
    }
}

/// Parses the run and the jobs from the subject of a message; `None` if it is not such a subject.
pub(crate) fn parse_subject(subject: &str) -> Option<(RunId, Span)> {
    let mut tokens = subject.split('.').skip(3);
    let run = tokens.next()?.parse().ok()?;
    let first = tokens.next()?.parse().ok()?;
    let count = tokens.next()?.parse().ok().filter(|&count| count > 0)?;
    let is_complete = tokens.next().is_none() && u64::checked_add(first, count).is_some();
    is_complete.then_some((run, Span { first, count }))
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
    fn rejects_names_that_would_change_a_subject() {
        for bad in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Queue>(), Err(InvalidName), "{bad:?}");
            assert_eq!(bad.parse::<RunId>(), Err(InvalidName), "{bad:?}");
        }
        assert!("x".repeat(64).parse::<Queue>().is_ok());
    }

    #[test]
    fn date_follows_the_gregorian_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_778), (2026, 11, 21));
        let name = RunId::generate().to_string();
        assert_eq!((name.len(), name.parse()), (24, Ok(RunId(name.clone()))));
    }

    #[test]
    fn rejects_subjects_without_a_valid_span() {
        for bad in
            ["runner.q.jobs.r.1", "runner.q.jobs.r.1.0", "runner.q.jobs.r.1.2.3", "runner.q.jobs.r.x.1", ""]
        {
            assert_eq!(parse_subject(bad), None, "{bad}");
        }
        assert_eq!(parse_subject(&format!("runner.q.jobs.r.{}.1", u64::MAX)), None);
    }

    proptest! {
        #[test]
        fn subject_round_trips_run_and_span(first in 0..u64::MAX / 2, count in 1..u64::MAX / 2) {
            let (queue, run): (Queue, RunId) = ("q-1".parse().unwrap(), "r_1".parse().unwrap());
            let span = Span { first, count };
            for kind in [StreamKind::Jobs, StreamKind::Results, StreamKind::Quarantine] {
                prop_assert_eq!(parse_subject(&queue.subject(kind, &run, span)), Some((run.clone(), span)));
            }
        }
    }
}
