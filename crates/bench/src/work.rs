//! The work of a point, the same for all contenders, and the proof that it was done.

use crate::load::{Bytes, Load, Yield, spin};

/// Jobs that are all alike.
pub(crate) struct Work {
    turns: u64,
    bytes: Option<Bytes>,
    /// What each must come to.
    number: u64,
}

impl Work {
    /// Jobs of so many turns, which carry so many bytes; without any bytes they are plain trials.
    pub(crate) fn new(turns: u64, bytes: usize) -> Work {
        Work { turns, bytes: (bytes > 0).then(|| Bytes::new(bytes)), number: spin(turns) }
    }

    /// So many of them.
    pub(crate) fn jobs(&self, count: usize) -> impl Iterator<Item = Load> {
        let turns = self.turns;
        (0..count).map(move |_| match &self.bytes {
            None => Load::Trial { turns },
            Some(bytes) => Load::Payload { turns, bytes: bytes.clone() },
        })
    }

    /// How many bytes a job carries.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::length)
    }

    /// For the outputs of one run.
    pub(crate) fn check(&self, look: Look) -> Check<'_> {
        Check { work: self, look, count: 0, sum: 0, spoilt: false }
    }
}

/// How closely bytes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// At each, which takes its time: while somebody warms up.
    Closely,
    /// At some, while the clock runs.
    Quickly,
}

/// What has come of some jobs so far.
pub(crate) struct Check<'a> {
    work: &'a Work,
    look: Look,
    count: usize,
    sum: u64,
    spoilt: bool,
}

impl Check<'_> {
    /// Takes another output.
    pub(crate) fn take(&mut self, output: &Yield) {
        let (number, fits) = match (output, &self.work.bytes) {
            (Yield::Number(number), None) => (number, true),
            (Yield::Payload(number, bytes), Some(sent)) if self.look == Look::Quickly => {
                (number, bytes.resemble(sent))
            }
            (Yield::Payload(number, bytes), Some(sent)) => (number, bytes == sent),
            (Yield::Number(number) | Yield::Payload(number, _), _) => (number, false),
        };
        self.count += 1;
        self.sum = self.sum.wrapping_add(*number);
        self.spoilt |= !fits;
    }

    /// Whether these were the right outputs of so many jobs; if not, what is wrong.
    pub(crate) fn finish(self, count: usize) -> Result<(), String> {
        let sum = self.work.number.wrapping_mul(count as u64);
        if self.count != count {
            Err(format!("{} results of {count} jobs", self.count))
        } else if self.sum != sum {
            Err(format!("wrong results: they sum up to {} instead of {sum}", self.sum))
        } else if self.spoilt {
            Err("wrong results: not the bytes that were sent".to_owned())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool::Job;

    /// Runs three jobs and spoils what the first has yielded.
    fn checked(bytes: usize, look: Look, spoil: impl Fn(Yield) -> Yield) -> Result<(), String> {
        let work = Work::new(9, bytes);
        let mut check = work.check(look);
        for (place, job) in work.jobs(3).enumerate() {
            let output = job.run(&mut ())?;
            check.take(&if place == 0 { spoil(output) } else { output });
        }
        check.finish(3)
    }

    #[test]
    fn right_results_are_accepted() {
        for (bytes, look) in [(0, Look::Quickly), (100, Look::Quickly), (100, Look::Closely)] {
            assert_eq!(checked(bytes, look, |output| output), Ok(()));
        }
    }

    #[test]
    fn wrong_results_are_refused() {
        let wrong_number = |_| Yield::Number(1);
        assert!(checked(0, Look::Quickly, wrong_number).unwrap_err().contains("sum up"));
        let no_bytes = |output| match output {
            Yield::Payload(number, _) => Yield::Number(number),
            other => other,
        };
        let too_few = |output| match output {
            Yield::Payload(number, _) => Yield::Payload(number, Bytes::new(9)),
            other => other,
        };
        for look in [Look::Quickly, Look::Closely] {
            assert!(checked(10, look, no_bytes).unwrap_err().contains("bytes"));
            assert!(checked(10, look, too_few).unwrap_err().contains("bytes"));
        }
    }

    #[test]
    fn missing_results_are_noticed() {
        let work = Work::new(9, 0);
        assert_eq!(work.check(Look::Quickly).finish(1), Err("0 results of 1 jobs".to_owned()));
    }
}
