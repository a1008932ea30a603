//! A sink that counts outcomes.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pool::stream::{Resolved, Sink};

use crate::probe::{Probe, wait_until};

/// Counts outcomes of [`Probe::Double`] jobs that were pushed with their number as tag.
#[derive(Debug, Default)]
pub struct Counter {
    good: AtomicU64,
    /// Sum of the tags of the good ones.
    sum: AtomicU64,
    bad: Mutex<Vec<String>>,
}

impl Counter {
    /// Returns the number of correct outcomes so far.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Returns descriptions of the wrong outcomes so far.
    #[must_use]
    pub fn bad(&self) -> Vec<String> {
        self.bad.lock().clone()
    }

    /// Waits until `count` jobs are resolved and checks that the jobs 0 to `count` - 1 were resolved
    /// correctly, each once.
    ///
    /// # Panics
    /// If an outcome is wrong or missing.
    pub fn wait_for(&self, count: u64) {
        wait_until("all outcomes have arrived", || self.good() + self.bad.lock().len() as u64 >= count);
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
        let wrong: Vec<String> = wrong.map(|one| format!("{}: {:?}", one.tag, one.outcome)).collect();
        self.bad.lock().extend(wrong.iter().cloned());
        self.sum.fetch_add(sum, Ordering::Relaxed);
        self.good.fetch_add((total - wrong.len()) as u64, Ordering::Relaxed);
    }
}
