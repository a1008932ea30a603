//! The publisher's and the sleeper's half of the [sleep protocol](super).

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// An atomic word of shared memory, or its `loom` model.
pub(super) trait AtomicWord {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
}

impl AtomicWord for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }

    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        AtomicU64::store(self, value, order);
    }
}

/// Sequentially consistent fence of both halves.
#[inline]
pub(crate) fn full_fence() {
    fence(Ordering::SeqCst);
}

/// Publishes a position, executes the fence, then returns the other side's `asleep` word.
#[inline]
pub(super) fn publish<W: AtomicWord>(position: &W, value: u64, asleep: &W, fence: impl FnOnce()) -> u64 {
    position.store(value, Ordering::Release);
    fence();
    asleep.load(Ordering::Relaxed)
}

/// Announces that this side sleeps, executes the fence, then returns whether the other side's position is
/// still `seen`. If it is not, this side must clear its `asleep` word and continue.
#[inline]
pub(super) fn may_sleep<W: AtomicWord>(
    (asleep, sleep): (&W, u64),
    (position, seen): (&W, u64),
    fence: impl FnOnce(),
) -> bool {
    asleep.store(sleep, Ordering::Relaxed);
    fence();
    position.load(Ordering::Acquire) == seen
}

/// Limits the rings to one for each sleep of the other side.
#[derive(Debug, Default)]
pub(crate) struct Ringer {
    /// Value of the `asleep` word at the last ring.
    rung_for: u64,
}

impl Ringer {
    /// Returns whether the other side must be woken, given its `asleep` word. Returns `true` once for each
    /// sleep.
    #[inline]
    pub(crate) fn must_ring(&mut self, asleep: u64) -> bool {
        asleep != 0 && std::mem::replace(&mut self.rung_for, asleep) != asleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::{
        sync::{Arc, Condvar, Mutex, atomic},
        thread,
    };

    impl AtomicWord for atomic::AtomicU64 {
        fn load(&self, order: Ordering) -> u64 {
            atomic::AtomicU64::load(self, order)
        }

        fn store(&self, value: u64, order: Ordering) {
            atomic::AtomicU64::store(self, value, order);
        }
    }

    /// Model of the doorbell: it stores one ring.
    #[derive(Default)]
    struct ModelDoorbell {
        rung: Mutex<bool>,
        has_rung: Condvar,
    }

    impl ModelDoorbell {
        fn ring(&self) {
            *self.rung.lock().unwrap() = true;
            self.has_rung.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock().unwrap();
            while !std::mem::take(&mut *rung) {
                rung = self.has_rung.wait(rung).unwrap();
            }
        }
    }

    fn model_fence() {
        atomic::fence(Ordering::SeqCst);
    }

    /// Models a recall. The worker publishes the job that it starts and then loads the limit of its parent;
    /// the parent stores the limit and then loads the started job. Returns whether a job can be run twice:
    /// the worker runs it and the parent also assigns it to another worker.
    fn can_run_twice(worker: fn(), parent: fn()) -> bool {
        let found = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let both = found.clone();
        loom::model(move || {
            let (begun, limit) = (Arc::new(atomic::AtomicU64::new(0)), Arc::new(atomic::AtomicU64::new(0)));
            let (theirs, their_limit) = (begun.clone(), limit.clone());
            let running = thread::spawn(move || publish(&*theirs, 1, &*their_limit, worker) == 0);
            let is_recalled = publish(&*limit, 1, &*begun, parent) == 0;
            if running.join().unwrap() && is_recalled {
                both.store(true, Ordering::Relaxed);
            }
        });
        found.load(Ordering::Relaxed)
    }

    #[test]
    fn recall_needs_both_fences() {
        assert!(!can_run_twice(model_fence, model_fence));
        assert!(can_run_twice(|| (), model_fence));
        assert!(can_run_twice(model_fence, || ()));
    }

    /// One side publishes two positions and the other waits for each, in all orders that the memory model
    /// allows. A lost wake-up is a deadlock, for which the model checker panics.
    fn check(publisher: fn(), sleeper: fn()) {
        let mut model = loom::model::Builder::new();
        // A higher bound takes a minute and finds nothing else.
        model.preemption_bound = Some(3);
        model.check(move || {
            let words: Arc<[atomic::AtomicU64; 2]> =
                Arc::new([atomic::AtomicU64::new(0), atomic::AtomicU64::new(0)]);
            let bell = Arc::new(ModelDoorbell::default());
            let (theirs, their_bell) = (words.clone(), bell.clone());
            let publishing = thread::spawn(move || {
                let [position, asleep] = &*theirs;
                let mut ringer = Ringer::default();
                for value in 1..=2 {
                    if ringer.must_ring(publish(position, value, asleep, publisher)) {
                        their_bell.ring();
                    }
                }
            });
            let [position, asleep] = &*words;
            let (mut seen, mut sleep) = (0, 0);
            while seen < 2 {
                let now = position.load(Ordering::Acquire);
                if now == seen {
                    sleep += 1;
                    if may_sleep((asleep, sleep), (position, seen), sleeper) {
                        bell.wait();
                    }
                    asleep.store(0, Ordering::Relaxed);
                }
                seen = now;
            }
            publishing.join().unwrap();
        });
    }

    #[test]
    fn no_wake_up_is_lost() {
        check(model_fence, model_fence);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn loses_wake_up_without_publisher_fence() {
        check(|| (), model_fence);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn loses_wake_up_without_sleeper_fence() {
        check(model_fence, || ());
    }
}
