//! Files that a worker in a sandbox may request: those of the jobs that were sent to it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use sys::payload::Payload;
use wire::transfer::Files;

/// The granted files, by descriptor. A file that no job refers to any more is not granted any more.
#[derive(Debug, Default)]
pub(super) struct FileGrants(Mutex<HashMap<u32, Weak<Payload>>>);

impl FileGrants {
    /// Grants files.
    pub(super) fn add(&self, files: &Files) {
        if files.is_empty() {
            return;
        }
        let mut granted = self.0.lock();
        // Each entry was added by a call, so that this costs a constant time per file on average.
        if granted.len() == granted.capacity() {
            granted.retain(|_, file| file.strong_count() > 0);
        }
        granted.extend(files.iter().map(|file| (file.number(), Arc::downgrade(file))));
    }

    /// Returns the granted file with this descriptor.
    pub(super) fn get(&self, descriptor: u32) -> Option<Arc<Payload>> {
        self.0.lock().get(&descriptor)?.upgrade()
    }
}

#[cfg(test)]
mod tests {
    use wire::transfer::{Reference, collect};

    use super::*;

    #[test]
    fn only_files_of_jobs_that_exist_are_granted() {
        let file = Arc::new(Payload::create(&[b"data"]).unwrap());
        let number = file.number();
        let (_, files) = collect(|| Reference::to(file.clone()));
        let grants = FileGrants::default();
        grants.add(&Files::default());
        assert!(grants.get(number).is_none(), "it was not granted");
        grants.add(&files);
        assert_eq!(grants.get(number).unwrap().bytes(), b"data");
        drop((file, files));
        assert!(grants.get(number).is_none(), "no job refers to it any more");
    }
}
