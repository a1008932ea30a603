//! Marks threads that run callbacks.

use std::cell::Cell;

thread_local! {
    /// Number of calls of [`run_callback`] on this thread that have not returned.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Calls a callback, sink or observer. Its thread may have to process outcomes before there is room in a
/// queue, so it must not wait for room.
pub(crate) fn run_callback<R>(callback: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _leave = Leave;
    callback()
}

/// Returns whether this thread is running a callback, sink or observer.
pub(crate) fn in_callback() -> bool {
    DEPTH.get() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_marked_until_they_return_or_panic() {
        assert!(!in_callback());
        run_callback(|| {
            let _ = std::panic::catch_unwind(|| run_callback(|| std::panic::resume_unwind(Box::new(()))));
            assert!(in_callback());
        });
        assert!(!in_callback());
    }
}
