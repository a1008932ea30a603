//! Hears what happens in the pool.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pool::{BatchId, MonotonicInstant, Observer, PoolEvent};

use super::book::Book;

/// Keeps a book.
#[derive(Debug)]
pub(super) struct Recorder {
    book: Mutex<Book>,
    /// The times of single jobs are wanted for one batch of so many.
    jobs_of: AtomicU64,
}

impl Recorder {
    /// One that remembers so many slices.
    pub(super) fn new(start: MonotonicInstant, most: usize) -> Recorder {
        Recorder { book: Mutex::new(Book::new(start, most)), jobs_of: AtomicU64::new(1) }
    }

    /// Looks at what has been heard so far.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Book) -> T) -> T {
        at(&self.book.lock())
    }
}

impl Observer for Recorder {
    fn note(&self, event: &PoolEvent) {
        let event = event.clone();
        let mut book = self.book.lock();
        book.note(event);
        self.jobs_of.store(book.sampling.jobs(), Ordering::Relaxed);
    }

    fn wants_durations(&self, batch: BatchId) -> bool {
        batch.0.is_multiple_of(self.jobs_of.load(Ordering::Relaxed))
    }
}
