//! Decides when a run pauses and when it continues. Has no clock and reads no file.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use crate::units::format_bytes;

/// Number of readings over which the load is averaged, because the number of runnable threads changes within
/// milliseconds.
const AVERAGED: usize = 8;

/// Conditions under which jobs may start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Maximum number of runnable threads of other processes.
    pub(super) max_load: Option<f64>,
    /// Minimum of available memory in bytes.
    pub(super) min_memory: Option<u64>,
    /// Minimum length of a pause.
    pub(super) min_pause: Duration,
}

/// State of the machine at one moment. A value that is not limited, or could not be read, is missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Number of runnable threads of other processes. May be negative, because those of this run are counted
    /// a moment later than those of the machine.
    pub(super) load: Option<f64>,
    /// Available memory in bytes.
    pub(super) memory: Option<u64>,
    /// Memory of this run's workers in bytes if none of them has a job, otherwise 0.
    pub(super) idle_memory: u64,
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Pause(Cause),
    /// The run continues after a pause of this length.
    Resume(Duration),
}

/// Reason for a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cause {
    Load { threads: f64, limit: f64 },
    Memory { available: u64, minimum: u64 },
}

/// Decides when the run pauses and when it continues.
///
/// The load is that of other processes only: a limit below the number of this run's workers would otherwise
/// pause the run because of its own jobs. The memory of running jobs counts, because they return it when they
/// end. That of idle workers does not: no job would end and return it, and the pause would never end.
#[derive(Debug)]
pub(super) struct Admission {
    conditions: Conditions,
    /// The latest readings of the load.
    loads: VecDeque<f64>,
    paused_at: Option<Instant>,
}

impl Admission {
    pub(super) fn new(conditions: Conditions) -> Admission {
        Admission { conditions, loads: VecDeque::new(), paused_at: None }
    }

    /// Adds a reading; returns the change that follows, if any.
    pub(super) fn note(&mut self, now: Instant, reading: Reading) -> Option<Change> {
        let cause = self.exceeded_load(reading.load).or_else(|| self.missing_memory(reading));
        match (self.paused_at, cause) {
            (None, Some(cause)) => {
                self.paused_at = Some(now);
                Some(Change::Pause(cause))
            }
            (Some(since), None) => {
                let length = now.saturating_duration_since(since);
                (length >= self.conditions.min_pause).then(|| {
                    self.paused_at = None;
                    Change::Resume(length)
                })
            }
            _ => None,
        }
    }

    fn exceeded_load(&mut self, load: Option<f64>) -> Option<Cause> {
        let limit = self.conditions.max_load?;
        if let Some(load) = load {
            self.loads.truncate(AVERAGED - 1);
            self.loads.push_front(load);
        }
        let threads = self.loads.iter().sum::<f64>() / self.loads.len().max(1) as f64;
        (threads > limit).then_some(Cause::Load { threads, limit })
    }

    fn missing_memory(&self, reading: Reading) -> Option<Cause> {
        let (available, minimum) = (reading.memory?, self.conditions.min_memory?);
        let is_missing = available.saturating_add(reading.idle_memory) < minimum;
        is_missing.then_some(Cause::Memory { available, minimum })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Cause::Load { threads, limit } => write!(
                f,
                "{threads:.1} threads of other processes are runnable, and --max-load allows {limit:.1}"
            ),
            Cause::Memory { available, minimum } => {
                let (available, minimum) = (format_bytes(available), format_bytes(minimum));
                write!(f, "{available} of memory is available, and --min-free-memory asks for {minimum}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// Admission control, and its clock, which advances by a quarter of a second per reading.
    struct Case(Admission, Instant);

    impl Case {
        fn new(max_load: Option<f64>, min_memory: Option<u64>) -> Case {
            let min_pause = Duration::from_secs(1);
            Case(Admission::new(Conditions { max_load, min_memory, min_pause }), Instant::now())
        }

        fn note(&mut self, reading: Reading) -> Option<Change> {
            self.1 += Duration::from_millis(250);
            self.0.note(self.1, reading)
        }

        fn load(&mut self, load: f64) -> Option<Change> {
            self.note(Reading { load: Some(load), ..Reading::default() })
        }

        fn memory(&mut self, memory: u64, idle_memory: u64) -> Option<Change> {
            self.note(Reading { memory: Some(memory), idle_memory, ..Reading::default() })
        }
    }

    #[test]
    fn first_reading_can_pause_the_run() {
        let mut case = Case::new(Some(2.0), None);
        assert_eq!(case.load(2.5), Some(Change::Pause(Cause::Load { threads: 2.5, limit: 2.0 })));
        assert_eq!(Case::new(Some(2.0), None).load(2.0), None, "the limit itself is allowed");
    }

    #[test]
    fn the_load_is_averaged() {
        let mut case = Case::new(Some(2.0), None);
        assert!((0..8).all(|_| case.load(0.0).is_none()));
        assert_eq!(case.load(15.0), None, "a burst of 250 ms");
        assert_eq!(case.load(5.0), Some(Change::Pause(Cause::Load { threads: 2.5, limit: 2.0 })));
        // Both leave the average after two seconds.
        assert!((0..6).all(|_| case.load(0.0).is_none()));
        assert_eq!(case.load(0.0), Some(Change::Resume(Duration::from_millis(1750))));
        assert_eq!(case.load(0.0), None);
    }

    #[test]
    fn readings_that_count_too_many_own_threads_cancel_out() {
        let mut case = Case::new(Some(0.0), None);
        assert!([-1.0, 1.0, -2.0, 2.0, -1.0].into_iter().all(|load| case.load(load).is_none()));
    }

    #[test]
    fn a_pause_has_a_minimum_length() {
        let mut case = Case::new(None, Some(GIB));
        assert!(matches!(case.memory(GIB - 1, 0), Some(Change::Pause(Cause::Memory { .. }))));
        assert_eq!([GIB; 3].map(|memory| case.memory(memory, 0)), [None; 3]);
        assert_eq!(case.memory(GIB, 0), Some(Change::Resume(Duration::from_secs(1))));
    }

    #[test]
    fn memory_of_idle_workers_does_not_keep_the_run_paused() {
        let mut case = Case::new(None, Some(4 * GIB));
        assert!(matches!(case.memory(GIB, 0), Some(Change::Pause(_))));
        assert!((0..20).all(|_| case.memory(GIB, 0).is_none()), "jobs are running");
        assert!((0..20).all(|_| case.memory(GIB, GIB).is_none()), "others hold the memory");
        assert!(matches!(case.memory(GIB, 3 * GIB), Some(Change::Resume(_))));
    }

    #[test]
    fn unknown_values_change_nothing() {
        let mut case = Case::new(Some(1.0), Some(GIB));
        assert_eq!(case.note(Reading::default()), None);
        assert!(matches!(case.load(9.0), Some(Change::Pause(_))));
        assert!((0..20).all(|_| case.note(Reading::default()).is_none()));
    }

    #[test]
    fn both_conditions_must_hold() {
        let mut case = Case::new(Some(1.0), Some(GIB));
        let reading = |load, memory| Reading { load: Some(load), memory: Some(memory), idle_memory: 0 };
        assert!(matches!(case.note(reading(0.0, 0)), Some(Change::Pause(Cause::Memory { .. }))));
        assert!((0..20).all(|_| case.note(reading(5.0, GIB)).is_none()));
        assert!((0..20).filter_map(|_| case.note(reading(0.0, GIB))).count() == 1);
    }
}
