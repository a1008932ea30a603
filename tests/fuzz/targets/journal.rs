//! A file that is given as a journal: whatever it holds, reading it ends, and what can be read can be read again.

#![no_main]

use std::{fs, path::PathBuf};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // In memory, where the system has such a place: this is not about disks.
    let folder = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
    let file = folder.join(format!("runner-fuzz-{}", std::process::id()));
    fs::write(&file, bytes).expect("a small file can be written");
    if let Ok((_, mut recorded)) = journal::Locked::open(&file).and_then(|locked| locked.resume(false)) {
        let positions: Vec<u64> = recorded.positions().collect();
        assert_eq!(positions.len(), recorded.len());
        for position in positions {
            let record = recorded.find(position).expect("the file can be read").expect("it is there");
            assert_eq!(record.position, position);
        }
    }
});
