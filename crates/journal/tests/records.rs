//! Appended records are read back from torn files; damaged and arbitrary files are handled safely.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, sync::LazyLock};

use journal::{Digest, Error, Journal, LockedFile, PastRecords, Record};
use proptest::prelude::*;

/// Position, kind and text of a record.
type Owned = (u64, u8, Vec<u8>);

/// Returns a temporary directory, in memory if possible, because files are written thousands of times.
fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn digest(position: u64) -> Digest {
    Digest::of("test", &position.to_le_bytes())
}

fn append(journal: &mut Journal, records: &[Owned]) {
    let borrowed = records.iter().map(|(position, kind, text)| Record {
        position: *position,
        digest: digest(*position),
        kind: *kind,
        text,
    });
    journal.append(borrowed).unwrap();
}

fn start(path: &Path, records: &[Owned]) {
    append(&mut LockedFile::open(path).unwrap().start(false).unwrap(), records);
}

fn resume(path: &Path) -> Result<(Journal, PastRecords), Error> {
    LockedFile::open(path).unwrap().resume(false)
}

fn all(recorded: &mut PastRecords) -> Vec<Owned> {
    let positions: Vec<u64> = recorded.positions().collect();
    let read = |position| {
        let record = recorded.find(position).unwrap().unwrap();
        assert_eq!((record.position, record.digest), (position, digest(position)));
        (position, record.kind, record.text.to_vec())
    };
    positions.into_iter().map(read).collect()
}

/// Returns the records that must be found: the last one of each position, ordered by position.
fn expected(records: &[Owned]) -> Vec<Owned> {
    let last: std::collections::BTreeMap<u64, &Owned> =
        records.iter().map(|owned| (owned.0, owned)).collect();
    last.into_values().cloned().collect()
}

/// Writes a journal of ten records; returns the records and the end of each of them.
fn sample(path: &Path) -> (Vec<Owned>, Vec<usize>) {
    let records: Vec<Owned> = (0..10u8).map(|n| (u64::from(n), n, vec![b'x'; usize::from(n) * 7])).collect();
    start(path, &records);
    let ends = records.iter().scan(16, |end, (_, _, text)| {
        *end += 48 + text.len();
        Some(*end)
    });
    (records.clone(), ends.collect())
}

#[test]
fn journal_truncated_at_any_byte_keeps_the_complete_records() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let (records, ends) = sample(&path);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), ends[9]);
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (mut journal, mut recorded) = resume(&path).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(all(&mut recorded), records[..whole], "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), bytes[..cut], "modified by opening");
        let end = ends[..whole].last().copied().unwrap_or(if cut < 16 { 0 } else { 16 });
        assert_eq!(recorded.torn_bytes(), (cut - end) as u64, "cut at {cut}");
        append(&mut journal, &records[whole..]);
        drop((journal, recorded));
        assert_eq!(fs::read(&path).unwrap(), bytes, "appended after a cut at {cut}");
    }
}

#[test]
fn drops_garbage_after_the_last_record() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let (records, ends) = sample(&path);
    let bytes = fs::read(&path).unwrap();
    for garbage in [vec![0; 70_000], b"\x1eJR\xf1".repeat(40_000), bytes[16..100].to_vec()] {
        fs::write(&path, [&bytes[..], &garbage].concat()).unwrap();
        let (mut journal, mut recorded) = resume(&path).unwrap();
        assert_eq!(all(&mut recorded), records);
        append(&mut journal, &[(99, 0, b"new".to_vec())]);
        drop((journal, recorded));
        assert_eq!(fs::read(&path).unwrap().len(), ends[9] + 48 + 3);
    }
}

#[test]
fn rejects_a_changed_byte_except_in_the_last_record() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let (records, ends) = sample(&path);
    let bytes = fs::read(&path).unwrap();
    for at in 16..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        let broken = ends.iter().filter(|&&end| end <= at).count();
        match resume(&path) {
            Err(Error::Corrupt { offset }) => {
                let start = if broken == 0 { 16 } else { ends[broken - 1] };
                assert!(broken < 9 && offset == start as u64, "byte {at}: {offset}");
            }
            Ok((_, mut recorded)) => {
                assert_eq!((broken, all(&mut recorded)), (9, records[..9].to_vec()), "byte {at}");
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

/// Checks a modified journal of [`sample`]: it is rejected if complete records follow the change; otherwise
/// the records before are kept, and the bytes after them counted.
fn check_changed(path: &Path, bytes: &[u8], changed: &[u8]) -> Result<(), TestCaseError> {
    let (records, ends) = &*SAMPLE;
    let are_equal = |(one, other): &(&u8, &u8)| one == other;
    let start = bytes.iter().zip(changed).take_while(are_equal).count();
    let end = bytes.len() - bytes.iter().rev().zip(changed.iter().rev()).take_while(are_equal).count();
    let before = ends.iter().filter(|&&record_end| record_end <= start).count();
    let starts: Vec<usize> = [16].into_iter().chain(ends.iter().copied()).collect();
    let is_followed = starts[before..records.len()].iter().any(|&start| start >= end);
    fs::write(path, changed).unwrap();
    match resume(path) {
        Err(Error::Corrupt { offset }) => {
            prop_assert_eq!((is_followed, offset), (true, starts[before] as u64));
        }
        Ok((_, mut recorded)) => {
            prop_assert!(!is_followed, "records are lost");
            prop_assert_eq!(recorded.torn_bytes(), (changed.len() - starts[before]) as u64);
            prop_assert_eq!(all(&mut recorded), records[..before].to_vec());
        }
        Err(error) => panic!("{error}"),
    }
    Ok(())
}

/// The records of [`sample`], and the end of each of them.
static SAMPLE: LazyLock<(Vec<Owned>, Vec<usize>)> =
    LazyLock::new(|| sample(&temp_dir().path().join("journal")));

#[test]
fn detects_a_removed_byte() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    for at in 16..bytes.len() {
        let removed = [&bytes[..at], &bytes[at + 1..]].concat();
        check_changed(&path, &bytes, &removed).unwrap();
    }
}

#[test]
fn detects_an_inserted_byte() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    for at in 16..=bytes.len() {
        for byte in [b'\0', b'\n', b'x', 0x1e, bytes[at - 1]] {
            let inserted = [&bytes[..at], &[byte], &bytes[at..]].concat();
            check_changed(&path, &bytes, &inserted).unwrap();
        }
    }
}

#[test]
fn detects_converted_line_ends() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let records: Vec<Owned> = (0..40).map(|n| (n, 0, b"\"a\nb\nc\"".repeat(n as usize % 3))).collect();
    start(&path, &records);
    let bytes = fs::read(&path).unwrap();
    let converted: Vec<u8> =
        bytes.iter().flat_map(|&byte| [&b"\r"[..usize::from(byte == b'\n')], &[byte]].concat()).collect();
    fs::write(&path, &converted).unwrap();
    assert!(matches!(resume(&path), Err(Error::Corrupt { .. })));
}

#[test]
fn detects_a_large_removed_or_duplicated_piece() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let records: Vec<Owned> = (0..200).map(|n| (n, 0, vec![b'x'; 10_000])).collect();
    start(&path, &records);
    let bytes = fs::read(&path).unwrap();
    let removed = [&bytes[..20_000], &bytes[1_000_000..]].concat();
    let duplicated = [&bytes[..1_000_000], &bytes[20_000..]].concat();
    // Fifty complete records removed, so that no record is torn.
    let ten = 16 + 10 * 10_048;
    let records_removed = [&bytes[..ten], &bytes[ten + 50 * 10_048..]].concat();
    for damaged in [removed, duplicated, records_removed] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(resume(&path), Err(Error::Corrupt { .. })));
    }
}

#[test]
fn rejects_other_files_without_modifying_them() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let is_version_2 = |error: &Error| matches!(error, Error::Version(2));
    for (bytes, is_expected) in [
        (
            &b"{\"op\":\"sum\",\"n\":1}\n"[..],
            (|error: &Error| matches!(error, Error::Foreign)) as fn(&Error) -> bool,
        ),
        (&b"x"[..], |error| matches!(error, Error::Foreign)),
        (&b"runner journal\0\x02"[..], is_version_2),
        (&b"runner journal\0\x02and more"[..], is_version_2),
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(resume(&path).err().as_ref().is_some_and(is_expected), "{bytes:?}");
        assert!(matches!(LockedFile::open(&path).unwrap().start(false), Err(Error::NotEmpty)));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(matches!(LockedFile::open(dir.path()), Err(Error::NotAFile)));
    assert!(matches!(LockedFile::open(Path::new("/dev/null")), Err(Error::NotAFile)));
    assert!(matches!(LockedFile::open(&dir.path().join("no/journal")), Err(Error::Io(_))));
}

#[test]
fn start_rejects_a_journal_with_records() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    assert!(matches!(LockedFile::open(&path).unwrap().start(true), Err(Error::NotEmpty)));
    // A file with only a header, or a part of it, counts as empty.
    let header = fs::read(&path).unwrap()[..16].to_vec();
    for length in 0..=16 {
        fs::write(&path, &header[..length]).unwrap();
        append(&mut LockedFile::open(&path).unwrap().start(true).unwrap(), &[(0, 0, vec![])]);
        assert_eq!(fs::read(&path).unwrap().len(), 16 + 48);
    }
}

#[test]
fn lock_is_held_by_the_journal_and_by_its_earlier_records() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    let (journal, recorded) = resume(&path).unwrap();
    drop(journal);
    assert!(matches!(LockedFile::open(&path), Err(Error::Busy)));
    drop(recorded);
    assert!(LockedFile::open(&path).is_ok());
}

#[test]
fn copy_of_a_journal_in_a_torn_record_is_dropped() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    let copy = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    start(&path, &[(0, 0, copy.clone())]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(resume(&path).unwrap().1.len(), 0, "the only record is torn");
}

#[test]
fn copies_of_this_and_a_longer_journal_in_a_torn_record_are_dropped() {
    let dir = temp_dir();
    let (path, longer) = (dir.path().join("journal"), dir.path().join("longer"));
    let (records, ends) = sample(&path);
    let own = fs::read(&path).unwrap();
    start(&longer, &(0..30).map(|n| (n, 0, vec![b'y'; 60])).collect::<Vec<_>>());
    let longer = fs::read(&longer).unwrap();
    for copy in [own.clone(), own[16..].to_vec(), longer.clone(), [own.clone(), longer, own].concat()] {
        let text = [b"copied: ", &copy[..], b"the end"].concat();
        append(&mut resume(&path).unwrap().0, &[(10, 0, text)]);
        let bytes = fs::read(&path).unwrap();
        for cut in (ends[9]..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let mut recorded = resume(&path).unwrap().1;
            assert_eq!(all(&mut recorded), records, "cut at {cut}");
            assert_eq!(recorded.torn_bytes(), (cut - ends[9]) as u64);
        }
        fs::write(&path, &bytes[..ends[9]]).unwrap();
    }
}

#[test]
fn detects_damage_after_a_copy() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    sample(&path);
    let copy = fs::read(&path).unwrap();
    append(&mut resume(&path).unwrap().0, &[(10, 0, copy.clone()), (11, 0, b"behind".to_vec())]);
    let bytes = fs::read(&path).unwrap();
    for at in (copy.len()..bytes.len() - 54).step_by(5) {
        fs::write(&path, [&bytes[..at], &bytes[at + 1..]].concat()).unwrap();
        assert!(matches!(resume(&path), Err(Error::Corrupt { .. })), "byte {at}");
    }
}

#[test]
fn finds_records_of_any_size_in_any_order() {
    let dir = temp_dir();
    let path = dir.path().join("journal");
    let records: Vec<Owned> = (0..60).map(|n| (59 - n, 0, vec![n as u8; 1 << (n % 20)])).collect();
    start(&path, &records);
    let (_, mut recorded) = resume(&path).unwrap();
    assert_eq!(all(&mut recorded), expected(&records));
    assert_eq!(recorded.find(60).unwrap(), None);
}

fn records() -> impl Strategy<Value = Vec<Owned>> {
    let text = prop::collection::vec(any::<u8>(), 0..40);
    let position = prop_oneof![0u64..20, Just(u64::MAX)];
    prop::collection::vec((position, any::<u8>(), text), 0..30)
}

proptest! {
    #[test]
    fn appended_records_are_read_back(first in records(), second in records(), cut: prop::sample::Index) {
        let dir = temp_dir();
        let path = dir.path().join("journal");
        start(&path, &first);
        append(&mut resume(&path).unwrap().0, &second);
        let both = [first, second].concat();
        prop_assert_eq!(all(&mut resume(&path).unwrap().1), expected(&both));
        let bytes = fs::read(&path).unwrap();
        let kept = cut.index(bytes.len() + 1);
        fs::write(&path, &bytes[..kept]).unwrap();
        let mut end = 16;
        let whole = both.iter().take_while(|(_, _, text)| {
            end += 48 + text.len();
            end <= kept
        });
        let whole: Vec<Owned> = whole.cloned().collect();
        prop_assert_eq!(all(&mut resume(&path).unwrap().1), expected(&whole));
    }

    #[test]
    fn detects_a_piece_removed_inserted_or_replaced_anywhere(
        piece in prop::collection::vec(any::<u8>(), 0..300),
        (start, end) in (16usize..=795, 16usize..=795),
    ) {
        let dir = temp_dir();
        let path = dir.path().join("journal");
        sample(&path);
        let bytes = fs::read(&path).unwrap();
        let (start, end) = (start.min(end), start.max(end));
        let changed = [&bytes[..start], &piece, &bytes[end..]].concat();
        prop_assume!(changed != bytes);
        check_changed(&path, &bytes, &changed)?;
    }

    #[test]
    fn arbitrary_bytes_add_no_records(mut bytes: Vec<u8>, records in records(), at: prop::sample::Index) {
        let dir = temp_dir();
        let path = dir.path().join("journal");
        fs::write(&path, &bytes).unwrap();
        let _ = resume(&path).map(|(_, mut recorded)| all(&mut recorded));
        fs::remove_file(&path).unwrap();
        start(&path, &records);
        // Overwrites a part of a valid journal.
        let mut journal = fs::read(&path).unwrap();
        let at = at.index(journal.len() + 1);
        bytes.truncate(journal.len() - at);
        journal[at..at + bytes.len()].copy_from_slice(&bytes);
        fs::write(&path, &journal).unwrap();
        if let Ok((_, mut recorded)) = resume(&path) {
            prop_assert!(recorded.len() <= records.len());
            for (position, kind, text) in all(&mut recorded) {
                prop_assert!(records.contains(&(position, kind, text)));
            }
        }
    }
}
