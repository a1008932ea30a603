//! A sink that only counts.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pool::{Resolved, Sink};

use crate::probe::{Probe, until};

/// Counts the outcomes of jobs [`Probe::Double`] that were pushed under their numbers.
#[derive(Debug, Default)]
pub struct Counter {
    good: AtomicU64,
    /// The numbers of the good ones, added up.
    sum: AtomicU64,
    bad: Mutex<Vec<String>>,
}

impl Counter {
    /// How many have come with the right output.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// What the others said.
    #[must_use]
    pub fn bad(&self) -> Vec<String> {
        self.bad.lock().clone()
    }

    /// Waits until the jobs from 0 up to this number are resolved, and proves that each was, once and rightly.
    ///
    /// # Panics
    /// When there are wrong ones.
    pub fn until(&self, count: u64) {
        until("all outcomes are there", || self.good() + self.bad.lock().len() as u64 >= count);
        assert_eq!((self.good(), self.bad()), (count, Vec::new()));
        assert_eq!(
            self.sum.load(Ordering::Relaxed),
            (0..count).sum::<u64>(),
            "some were resolved twice, and others not"
        );
    }
}

impl Sink<Probe> for Counter {
    fn resolve(&self, resolved: Vec<Resolved<Probe>>) {
        let (total, sum) = (resolved.len(), resolved.iter().map(|one| one.tag).sum());
        let wrong =
            resolved.into_iter().filter(|one| !matches!(one.outcome, Ok(output) if output == 2 * one.tag));
        let told: Vec<String> = wrong.map(|one| format!("{}: {:?}", one.tag, one.outcome)).collect();
        self.bad.lock().extend(told.iter().cloned());
        self.sum.fetch_add(sum, Ordering::Relaxed);
        self.good.fetch_add((total - told.len()) as u64, Ordering::Relaxed);
    }
}
