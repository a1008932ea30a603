//! Journal file with arbitrary content: reading it terminates, and every record that is listed can be read.

#![no_main]

use std::{fs, path::PathBuf};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // In memory if possible, since disk I/O is not under test.
    let shared_memory = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir());
    let folder = shared_memory.unwrap_or_else(std::env::temp_dir);
    let file = folder.join(format!("runner-fuzz-{}", std::process::id()));
    fs::write(&file, bytes).expect("cannot write the file");
    if let Ok((_, mut recorded)) = journal::Locked::open(&file).and_then(|locked| locked.resume(false)) {
        let positions: Vec<u64> = recorded.positions().collect();
        assert_eq!(positions.len(), recorded.len());
        for position in positions {
            let record = recorded.find(position).expect("cannot read the file").expect("no such record");
            assert_eq!(record.position, position);
        }
    }
});
