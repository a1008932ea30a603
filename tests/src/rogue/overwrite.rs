//! Overwrites all memory that a worker shares with its parent and can write to with random values.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt,
};

/// Number of bytes that are overwritten with one write.
const PIECE: usize = 4096;

/// Overwrites the memory from a random position on, wrapping around at the end.
///
/// # Panics
/// If there is no such memory.
pub(super) fn shared_memory(seed: u64) {
    let ranges = shared_ranges();
    assert!(!ranges.is_empty(), "no shared memory is mapped");
    let memory = File::options().write(true).open("/proc/self/mem").expect("cannot open /proc/self/mem");
    let mut random = Random(seed);
    let pieces: Vec<u64> = ranges.into_iter().flat_map(|range| range.step_by(PIECE)).collect();
    let first = random.next() as usize % pieces.len();
    for &piece in pieces[first..].iter().chain(&pieces[..first]) {
        let bytes: Vec<u8> = (0..PIECE / 8).flat_map(|_| random.word().to_ne_bytes()).collect();
        memory.write_at(&bytes, piece).expect("cannot write to the memory");
    }
}

/// Returns the address ranges of this process's writable mappings of files that it shares with its parent.
fn shared_ranges() -> Vec<Range<u64>> {
    let maps = fs::read_to_string("/proc/self/maps").expect("cannot read /proc");
    let writable = maps.lines().filter(|line| line.contains("memfd:runner-") && line.contains(" rw-s "));
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    writable.filter_map(range).collect()
}

/// A splitmix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number with a random bit length, so that small values are as likely as large ones.
    fn word(&mut self) -> u64 {
        let bits = self.next() % 65;
        self.next().checked_shr(bits as u32).unwrap_or(0)
    }
}
