//! What was appended is read back, whatever happens to the file's end; what else may stand in a file is no danger.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, sync::LazyLock};

use journal::{Digest, Error, Journal, Locked, Record, Recorded};
use proptest::prelude::*;

type Owned = (u64, u8, Vec<u8>);

/// A folder in memory, where the system has one: files are written thousands of times, and this is not about disks.
fn folder() -> tempfile::TempDir {
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
    append(&mut Locked::open(path).unwrap().start(false).unwrap(), records);
}

fn resume(path: &Path) -> Result<(Journal, Recorded), Error> {
    Locked::open(path).unwrap().resume(false)
}

fn all(recorded: &mut Recorded) -> Vec<Owned> {
    let positions: Vec<u64> = recorded.positions().collect();
    let read = |position| {
        let record = recorded.find(position).unwrap().unwrap();
        assert_eq!((record.position, record.digest), (position, digest(position)));
        (position, record.kind, record.text.to_vec())
    };
    positions.into_iter().map(read).collect()
}

/// What is to be found of these records: the last one of each position, by position.
fn expected(records: &[Owned]) -> Vec<Owned> {
    let last: std::collections::BTreeMap<u64, &Owned> =
        records.iter().map(|owned| (owned.0, owned)).collect();
    last.into_values().cloned().collect()
}

/// Ten records, and where each of them ends.
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
fn a_journal_cut_at_any_byte_keeps_the_whole_records_before() {
    let folder = folder();
    let path = folder.path().join("journal");
    let (records, ends) = sample(&path);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), ends[9]);
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (mut journal, mut recorded) = resume(&path).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(all(&mut recorded), records[..whole], "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), bytes[..cut], "looking changes nothing");
        let end = ends[..whole].last().copied().unwrap_or(if cut < 16 { 0 } else { 16 });
        assert_eq!(recorded.dropped(), (cut - end) as u64, "cut at {cut}");
        append(&mut journal, &records[whole..]);
        drop((journal, recorded));
        assert_eq!(fs::read(&path).unwrap(), bytes, "appended after a cut at {cut}");
    }
}

#[test]
fn garbage_behind_the_last_record_is_dropped() {
    let folder = folder();
    let path = folder.path().join("journal");
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
fn a_flipped_byte_in_the_middle_is_refused_and_one_in_the_last_record_dropped() {
    let folder = folder();
    let path = folder.path().join("journal");
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

/// Checks a changed journal of [`sample`]: it is refused if whole records follow the change, otherwise what is in front is
/// kept and the rest is counted.
fn check_changed(path: &Path, bytes: &[u8], changed: &[u8]) -> Result<(), TestCaseError> {
    let (records, ends) = &*SAMPLE;
    let alike = |(one, other): &(&u8, &u8)| one == other;
    let start = bytes.iter().zip(changed).take_while(alike).count();
    let end = bytes.len() - bytes.iter().rev().zip(changed.iter().rev()).take_while(alike).count();
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
            prop_assert_eq!(recorded.dropped(), (changed.len() - starts[before]) as u64);
            prop_assert_eq!(all(&mut recorded), records[..before].to_vec());
        }
        Err(error) => panic!("{error}"),
    }
    Ok(())
}

/// The records of [`sample`], and where each of them ends.
static SAMPLE: LazyLock<(Vec<Owned>, Vec<usize>)> =
    LazyLock::new(|| sample(&folder().path().join("journal")));

#[test]
fn a_byte_removed_anywhere_is_found() {
    let folder = folder();
    let path = folder.path().join("journal");
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    for at in 16..bytes.len() {
        let removed = [&bytes[..at], &bytes[at + 1..]].concat();
        check_changed(&path, &bytes, &removed).unwrap();
    }
}

#[test]
fn a_byte_inserted_anywhere_is_found() {
    let folder = folder();
    let path = folder.path().join("journal");
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
fn line_ends_that_were_converted_are_found() {
    let folder = folder();
    let path = folder.path().join("journal");
    let records: Vec<Owned> = (0..40).map(|n| (n, 0, b"\"a\nb\nc\"".repeat(n as usize % 3))).collect();
    start(&path, &records);
    let bytes = fs::read(&path).unwrap();
    let converted: Vec<u8> =
        bytes.iter().flat_map(|&byte| [&b"\r"[..usize::from(byte == b'\n')], &[byte]].concat()).collect();
    fs::write(&path, &converted).unwrap();
    assert!(matches!(resume(&path), Err(Error::Corrupt { .. })));
}

#[test]
fn a_large_piece_that_is_gone_or_there_twice_is_found() {
    let folder = folder();
    let path = folder.path().join("journal");
    let records: Vec<Owned> = (0..200).map(|n| (n, 0, vec![b'x'; 10_000])).collect();
    start(&path, &records);
    let bytes = fs::read(&path).unwrap();
    let gone = [&bytes[..20_000], &bytes[1_000_000..]].concat();
    let twice = [&bytes[..1_000_000], &bytes[20_000..]].concat();
    // Record by record, so that nothing looks torn.
    let ten = 16 + 10 * 10_048;
    let whole = [&bytes[..ten], &bytes[ten + 50 * 10_048..]].concat();
    for damaged in [gone, twice, whole] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(resume(&path), Err(Error::Corrupt { .. })));
    }
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let folder = folder();
    let path = folder.path().join("journal");
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
        assert!(matches!(Locked::open(&path).unwrap().start(false), Err(Error::NotEmpty)));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(matches!(Locked::open(folder.path()), Err(Error::NotAFile)));
    assert!(matches!(Locked::open(Path::new("/dev/null")), Err(Error::NotAFile)));
    assert!(matches!(Locked::open(&folder.path().join("no/journal")), Err(Error::Io(_))));
}

#[test]
fn a_journal_with_records_is_started_over_by_nobody() {
    let folder = folder();
    let path = folder.path().join("journal");
    sample(&path);
    assert!(matches!(Locked::open(&path).unwrap().start(true), Err(Error::NotEmpty)));
    // But a header alone is no record.
    let header = fs::read(&path).unwrap()[..16].to_vec();
    for length in 0..=16 {
        fs::write(&path, &header[..length]).unwrap();
        append(&mut Locked::open(&path).unwrap().start(true).unwrap(), &[(0, 0, vec![])]);
        assert_eq!(fs::read(&path).unwrap().len(), 16 + 48);
    }
}

#[test]
fn the_lock_is_held_by_the_journal_and_by_what_was_recorded() {
    let folder = folder();
    let path = folder.path().join("journal");
    sample(&path);
    let (journal, recorded) = resume(&path).unwrap();
    drop(journal);
    assert!(matches!(Locked::open(&path), Err(Error::Busy)));
    drop(recorded);
    assert!(Locked::open(&path).is_ok());
}

#[test]
fn a_copy_of_a_journal_inside_of_a_text_is_a_text() {
    let folder = folder();
    let path = folder.path().join("journal");
    sample(&path);
    let copy = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    start(&path, &[(0, 0, copy.clone())]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(resume(&path).unwrap().1.len(), 0, "the torn record is the only one");
}

#[test]
fn copies_of_this_journal_and_of_a_longer_one_prove_nothing_in_a_torn_record() {
    let folder = folder();
    let (path, longer) = (folder.path().join("journal"), folder.path().join("longer"));
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
            assert_eq!(recorded.dropped(), (cut - ends[9]) as u64);
        }
        fs::write(&path, &bytes[..ends[9]]).unwrap();
    }
}

#[test]
fn damage_is_found_behind_a_copy_too() {
    let folder = folder();
    let path = folder.path().join("journal");
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
fn a_large_record_far_from_its_neighbours_is_found_in_any_order() {
    let folder = folder();
    let path = folder.path().join("journal");
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
    fn what_was_appended_is_read_back(first in records(), second in records(), cut: prop::sample::Index) {
        let folder = folder();
        let path = folder.path().join("journal");
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
    fn a_piece_removed_inserted_or_replaced_anywhere_is_found(
        piece in prop::collection::vec(any::<u8>(), 0..300),
        (start, end) in (16usize..=795, 16usize..=795),
    ) {
        let folder = folder();
        let path = folder.path().join("journal");
        sample(&path);
        let bytes = fs::read(&path).unwrap();
        let (start, end) = (start.min(end), start.max(end));
        let changed = [&bytes[..start], &piece, &bytes[end..]].concat();
        prop_assume!(changed != bytes);
        check_changed(&path, &bytes, &changed)?;
    }

    #[test]
    fn arbitrary_bytes_are_no_danger(mut bytes: Vec<u8>, records in records(), at: prop::sample::Index) {
        let folder = folder();
        let path = folder.path().join("journal");
        fs::write(&path, &bytes).unwrap();
        let _ = resume(&path).map(|(_, mut recorded)| all(&mut recorded));
        fs::remove_file(&path).unwrap();
        start(&path, &records);
        // Over a part of a journal.
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
