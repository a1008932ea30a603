//! Delays the end of the program while workers are starting.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// A lock that is held while workers start. If the program ends meanwhile, the folder with the socket at
/// which the workers connect remains among the temporary files.
#[derive(Clone, Debug, Default)]
pub struct Starts(Arc<Mutex<()>>);

/// A guard: while it exists, no other thread starts workers. [`Starts::pause`] returns an empty guard after
/// its timeout.
#[derive(Debug)]
pub struct Pause<'a>(#[allow(dead_code)] Option<MutexGuard<'a, ()>>);

impl Starts {
    /// Waits until no workers are starting, for `timeout` at most, and keeps other threads from starting any.
    pub fn pause(&self, timeout: Duration) -> Pause<'_> {
        let start = Instant::now();
        loop {
            match self.0.try_lock() {
                Ok(guard) => return Pause(Some(guard)),
                Err(TryLockError::Poisoned(poisoned)) => return Pause(Some(poisoned.into_inner())),
                Err(TryLockError::WouldBlock) if start.elapsed() >= timeout => return Pause(None),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits for the lock. Hold the guard while workers are starting.
    pub fn begin(&self) -> Pause<'_> {
        Pause(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_waits_for_starting_workers_until_its_timeout() {
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
