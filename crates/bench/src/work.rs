//! The jobs of a point, the same for all candidates, and the check of their outputs.

use crate::load::{Bytes, Load, Output, spin};

/// Identical jobs.
pub(crate) struct Work {
    turns: u64,
    bytes: Option<Bytes>,
    /// The result of each job.
    number: u64,
}

impl Work {
    /// Describes jobs of `turns` turns with a payload of `bytes` bytes; with 0 bytes they are plain trials.
    pub(crate) fn new(turns: u64, bytes: usize) -> Work {
        Work { turns, bytes: (bytes > 0).then(|| Bytes::new(bytes)), number: spin(turns) }
    }

    /// Returns `count` jobs.
    pub(crate) fn jobs(&self, count: usize) -> impl Iterator<Item = Load> {
        let turns = self.turns;
        (0..count).map(move |_| match &self.bytes {
            None => Load::Trial { turns },
            Some(bytes) => Load::Payload { turns, bytes: bytes.clone() },
        })
    }

    /// Size of a job's payload in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::length)
    }

    /// Starts the check of one run's outputs.
    pub(crate) fn check(&self, mode: CheckMode) -> Check<'_> {
        Check { work: self, mode, count: 0, sum: 0, corrupt: false }
    }
}

/// How much of a payload is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckMode {
    /// All bytes. That is slow, so only warm-up runs use it.
    Full,
    /// One byte of each page, for runs that are timed.
    Sampled,
}

/// Count and sum of the outputs so far.
pub(crate) struct Check<'a> {
    work: &'a Work,
    mode: CheckMode,
    count: usize,
    sum: u64,
    corrupt: bool,
}

impl Check<'_> {
    /// Adds an output.
    pub(crate) fn take(&mut self, output: &Output) {
        let (number, fits) = match (output, &self.work.bytes) {
            (Output::Number(number), None) => (number, true),
            (Output::Payload(number, bytes), Some(sent)) if self.mode == CheckMode::Sampled => {
                (number, bytes.resemble(sent))
            }
            (Output::Payload(number, bytes), Some(sent)) => (number, bytes == sent),
            (Output::Number(number) | Output::Payload(number, _), _) => (number, false),
        };
        self.count += 1;
        self.sum = self.sum.wrapping_add(*number);
        self.corrupt |= !fits;
    }

    /// Checks that these were the outputs of `count` jobs; the error says what is wrong.
    pub(crate) fn finish(self, count: usize) -> Result<(), String> {
        let sum = self.work.number.wrapping_mul(count as u64);
        if self.count != count {
            Err(format!("got {} results of {count} jobs", self.count))
        } else if self.sum != sum {
            Err(format!("wrong results: their sum is {} instead of {sum}", self.sum))
        } else if self.corrupt {
            Err("wrong results: payload differs from what was sent".to_owned())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool::Job;

    /// Runs three jobs, changes the output of the first with `corrupt`, and checks all.
    fn checked(bytes: usize, mode: CheckMode, corrupt: impl Fn(Output) -> Output) -> Result<(), String> {
        let work = Work::new(9, bytes);
        let mut check = work.check(mode);
        for (place, job) in work.jobs(3).enumerate() {
            let output = job.run(&mut ())?;
            check.take(&if place == 0 { corrupt(output) } else { output });
        }
        check.finish(3)
    }

    #[test]
    fn right_results_are_accepted() {
        for (bytes, mode) in [(0, CheckMode::Sampled), (100, CheckMode::Sampled), (100, CheckMode::Full)] {
            assert_eq!(checked(bytes, mode, |output| output), Ok(()));
        }
    }

    #[test]
    fn rejects_wrong_results() {
        let wrong_number = |_| Output::Number(1);
        assert!(checked(0, CheckMode::Sampled, wrong_number).unwrap_err().contains("their sum is"));
        let no_bytes = |output| match output {
            Output::Payload(number, _) => Output::Number(number),
            other => other,
        };
        let too_few = |output| match output {
            Output::Payload(number, _) => Output::Payload(number, Bytes::new(9)),
            other => other,
        };
        for mode in [CheckMode::Sampled, CheckMode::Full] {
            assert!(checked(10, mode, no_bytes).unwrap_err().contains("payload differs"));
            assert!(checked(10, mode, too_few).unwrap_err().contains("payload differs"));
        }
    }

    #[test]
    fn rejects_missing_results() {
        let work = Work::new(9, 0);
        assert_eq!(work.check(CheckMode::Sampled).finish(1), Err("got 0 results of 1 jobs".to_owned()));
    }
}
