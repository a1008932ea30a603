//! Files of the worker that its outcomes refer to.
//!
//! A worker keeps such a file open until the parent has opened it, too. It sends the outcomes, and waits for
//! the parent's count of messages whose files it has taken to change. As a worker does nothing else
//! meanwhile, at most one message is outstanding, and no crash of a later job can lose a file.

use std::sync::atomic::Ordering;

use super::SharedPage;
use crate::doorbell::Woken;

impl SharedPage {
    /// Returns the number of messages whose files the parent has taken. Called by the worker.
    #[must_use]
    pub fn files_taken(&self) -> u64 {
        self.parent_words().files_taken.load(Ordering::Acquire)
    }

    /// Notes that the files of one more message were taken, and wakes the worker. Called by the parent, from
    /// one thread at a time.
    pub fn note_files_taken(&self) {
        self.parent_words().files_taken.fetch_add(1, Ordering::Release);
        self.door.ring();
    }

    /// Waits until the number of messages whose files were taken differs from `before`. Returns `false` if
    /// the parent is gone. Called by the worker.
    #[must_use]
    pub fn wait_until_files_taken(&self, before: u64) -> bool {
        // The parent rings after it has changed the number, and the doorbell keeps a ring that comes before
        // the wait.
        while self.files_taken() == before {
            if self.door.wait() == Woken::Ended {
                return self.files_taken() != before;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_parent_has_taken_the_files_or_is_gone() {
        let (parent, fd) = SharedPage::create_without_rings().unwrap();
        let worker = SharedPage::open(fd).unwrap();
        let before = worker.files_taken();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| worker.wait_until_files_taken(before));
            parent.note_files_taken();
            assert!(waiter.join().unwrap());
        });
        assert!(worker.wait_until_files_taken(before), "returns at once");
        drop(parent);
        assert!(!worker.wait_until_files_taken(before + 1));
    }
}
