//! Moments at which the program had better not be ended.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// Whether workers are starting. A program that ends meanwhile leaves the place where it was to meet them behind, a small
/// folder among the temporary files.
#[derive(Clone, Debug, Default)]
pub struct Starts(Arc<Mutex<()>>);

/// As long as there is this, no workers start, or nobody else starts any.
#[derive(Debug)]
pub struct Pause<'a>(#[allow(dead_code)] Option<MutexGuard<'a, ()>>);

impl Starts {
    /// Waits until those that are starting have started, but no longer than this, and keeps others from it.
    pub fn pause(&self, longest: Duration) -> Pause<'_> {
        let start = Instant::now();
        loop {
            match self.0.try_lock() {
                Ok(guard) => return Pause(Some(guard)),
                Err(TryLockError::Poisoned(poisoned)) => return Pause(Some(poisoned.into_inner())),
                Err(TryLockError::WouldBlock) if start.elapsed() >= longest => return Pause(None),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// While workers are started.
    pub fn begin(&self) -> Pause<'_> {
        Pause(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_pauses_waits_for_those_that_start_but_not_for_ever() {
        let starts = Starts::default();
        let begun = starts.begin();
        let start = Instant::now();
        drop(starts.pause(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
        drop(begun);
        drop(starts.pause(Duration::from_secs(100)));
        assert!(start.elapsed() < Duration::from_secs(50));
    }
}
