//! The two halves of going to sleep; see the [protocol](super).

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A word of shared memory, or of a model of it.
pub(super) trait Word {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
}

impl Word for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }

    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        AtomicU64::store(self, value, order);
    }
}

/// The fence of both halves.
#[inline]
pub(crate) fn full_fence() {
    fence(Ordering::SeqCst);
}

/// Publishes a position, then returns the other side's `asleep` word.
#[inline]
pub(super) fn publish<W: Word>(position: &W, value: u64, asleep: &W, fence: impl FnOnce()) -> u64 {
    position.store(value, Ordering::Release);
    fence();
    asleep.load(Ordering::Relaxed)
}

/// Says that this side sleeps, then returns whether the other side's position is still where it was. If it is not, this side
/// has to say that it is awake and go on.
#[inline]
pub(super) fn may_sleep<W: Word>(
    (asleep, sleep): (&W, u64),
    (position, seen): (&W, u64),
    fence: impl FnOnce(),
) -> bool {
    asleep.store(sleep, Ordering::Relaxed);
    fence();
    position.load(Ordering::Acquire) == seen
}

/// Rings once for each sleep of the other side.
#[derive(Debug, Default)]
pub(crate) struct Ringer {
    rung_for: u64,
}

impl Ringer {
    /// Whether the sleep that the other side's `asleep` word names has to be ended.
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

    impl Word for atomic::AtomicU64 {
        fn load(&self, order: Ordering) -> u64 {
            atomic::AtomicU64::load(self, order)
        }

        fn store(&self, value: u64, order: Ordering) {
            atomic::AtomicU64::store(self, value, order);
        }
    }

    /// The socket: it keeps one ring.
    #[derive(Default)]
    struct Bell {
        rung: Mutex<bool>,
        news: Condvar,
    }

    impl Bell {
        fn ring(&self) {
            *self.rung.lock().unwrap() = true;
            self.news.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock().unwrap();
            while !std::mem::take(&mut *rung) {
                rung = self.news.wait(rung).unwrap();
            }
        }
    }

    fn fence_of_the_model() {
        atomic::fence(Ordering::SeqCst);
    }

    /// A worker publishes which job it begins and then looks at the limit that its parent sets; the parent sets the limit and
    /// then looks at what has begun. Returns whether both may take the job: the worker runs it, and the parent gives it to
    /// another.
    fn both_take_the_job(worker: fn(), parent: fn()) -> bool {
        let found = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let both = found.clone();
        loom::model(move || {
            let (begun, limit) = (Arc::new(atomic::AtomicU64::new(0)), Arc::new(atomic::AtomicU64::new(0)));
            let (theirs, their_limit) = (begun.clone(), limit.clone());
            let running = thread::spawn(move || publish(&*theirs, 1, &*their_limit, worker) == 0);
            let takes_back = publish(&*limit, 1, &*begun, parent) == 0;
            if running.join().unwrap() && takes_back {
                both.store(true, Ordering::Relaxed);
            }
        });
        found.load(Ordering::Relaxed)
    }

    #[test]
    fn a_job_is_run_or_taken_back_and_both_fences_are_needed() {
        assert!(!both_take_the_job(fence_of_the_model, fence_of_the_model));
        assert!(both_take_the_job(|| (), fence_of_the_model));
        assert!(both_take_the_job(fence_of_the_model, || ()));
    }

    /// One side publishes two positions, the other waits for each, in all orders that the memory model allows. A lost wake-up
    /// is a deadlock, at which the model panics.
    fn check(publisher: fn(), sleeper: fn()) {
        let mut model = loom::model::Builder::new();
        // With more switches it takes a minute and finds no more.
        model.preemption_bound = Some(3);
        model.check(move || {
            let words: Arc<[atomic::AtomicU64; 2]> =
                Arc::new([atomic::AtomicU64::new(0), atomic::AtomicU64::new(0)]);
            let bell = Arc::new(Bell::default());
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
        check(fence_of_the_model, fence_of_the_model);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn without_the_fence_of_the_publisher_one_is() {
        check(|| (), fence_of_the_model);
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn without_the_fence_of_the_sleeper_one_is() {
        check(fence_of_the_model, || ());
    }
}
