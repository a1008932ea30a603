use std::{io::Write, process};

use wire::{
    catch_panic,
    transfer::{AttachedFiles, Files, ReceivedFiles, collect, open_referenced, with_received},
};

use super::*;
use crate::settings::CodecKind;

const LARGE: usize = MIN_SHARED_SIZE;

fn blob(length: usize) -> Blob {
    Blob::with_len(length, |bytes| (0..).zip(bytes).for_each(|(n, byte)| *byte = (n % 251) as u8)).unwrap()
}

fn encode<T: serde::Serialize>(codec: CodecKind, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).unwrap();
    bytes
}

fn open(pid: u32, files: &Files) -> ReceivedFiles {
    let list: Vec<_> = files.descriptors().collect();
    ReceivedFiles::open(pid, list.into_iter()).unwrap()
}

#[test]
fn plain_encoding_is_the_bytes() {
    for &codec in CodecKind::ALL {
        for length in [0, 10, LARGE] {
            let bytes = encode(codec, &blob(length));
            assert!(bytes.len() >= length, "{codec}");
            assert_eq!(codec.decode::<Blob>(&bytes).unwrap(), blob(length), "{codec}");
        }
        let floats = Shared::from(vec![1.5f32, f32::INFINITY]);
        assert_eq!(codec.decode::<Shared<f32>>(&encode(codec, &floats)).unwrap(), floats, "{codec}");
        assert!(codec.decode::<Shared<u64>>(&encode(codec, &floats)).is_ok(), "8 bytes");
        assert!(codec.decode::<Shared<u64>>(&encode(codec, &blob(9))).is_err(), "9 bytes");
    }
}

#[test]
fn large_data_is_passed_by_reference() {
    for &codec in CodecKind::ALL {
        for (sent, count) in [(blob(LARGE), 1), (Blob::from(blob(LARGE).to_vec()), 1), (blob(LARGE - 1), 0)] {
            let (bytes, files) = collect(|| encode(codec, &(7u8, Some(&sent), &sent)));
            assert_eq!((files.count(), bytes.len() < 300), (count, count == 1), "{codec}");
            let decode = || codec.decode::<(u8, Option<Blob>, Blob)>(&bytes);
            let (_, first, second) = open_referenced(decode).unwrap();
            assert_eq!((first.as_ref(), &second), (Some(&sent), &sent), "{codec}");
            assert_eq!(count == 1, first.unwrap().as_ptr() == second.as_ptr(), "opened once");
            let received = open(process::id(), &files);
            assert!(!received.has_errors());
            let (_, first, second) = with_received(&received, decode).unwrap();
            assert_eq!((first.as_ref(), &second), (Some(&sent), &sent), "{codec}");
            assert_eq!(count == 1, first.unwrap().as_ptr() == second.as_ptr(), "mapped once");
            assert!(decode().is_err(), "outside of a pool");
        }
    }
}

#[test]
fn only_files_that_were_received_are_accepted() {
    const CODEC: CodecKind = CodecKind::Bincode;
    let (sent, other) = (blob(LARGE), blob(LARGE + 1));
    let (bytes, files) = collect(|| encode(CODEC, &sent));
    let decode = |received| with_received(&received, || CODEC.decode::<Blob>(&bytes)).map(drop);
    assert!(decode(open(process::id(), &files)).is_ok());
    assert!(decode(ReceivedFiles::default()).unwrap_err().to_string().contains("that was not sent"));
    let (_, others) = collect(|| encode(CODEC, &other));
    assert!(decode(open(process::id(), &others)).is_err());
    let (fd, length) = files.descriptors().next().unwrap();
    for wrong in [(fd, length + 1), (fd, 0), (fd, u64::MAX), (u32::MAX, length), (0, length)] {
        let received = ReceivedFiles::open(process::id(), [wrong].into_iter()).unwrap();
        assert!(received.has_errors(), "{wrong:?}");
        assert!(decode(received).is_err(), "{wrong:?}");
    }
    assert!(open(u32::MAX, &files).has_errors());
}

#[test]
fn files_after_one_that_cannot_be_opened_are_not_opened() {
    let (sent, later) = (blob(LARGE), blob(LARGE));
    let (bytes, files) = collect(|| encode(CodecKind::default(), &(&sent, &later)));
    let mut list: Vec<_> = files.descriptors().collect();
    assert_eq!(list.len(), 2);
    list.insert(1, (u32::MAX, 7));
    let received = ReceivedFiles::open(process::id(), list.iter().copied()).unwrap();
    let decode = || CodecKind::default().decode::<(Blob, Blob)>(&bytes);
    let error = with_received(&received, decode).unwrap_err();
    assert!(received.has_errors() && error.to_string().contains("cannot open shared data"), "{error}");
}

#[test]
fn impossible_lists_of_files_are_refused() {
    let sent = blob(LARGE);
    let (_, files) = collect(|| encode(CodecKind::default(), &sent));
    let file = files.descriptors().next().unwrap();
    assert!(ReceivedFiles::open(process::id(), [file, file].into_iter()).is_err(), "twice");
    if let Ok(most) = u32::try_from(sys::call::max_descriptors()) {
        let many = (0..most as usize + 1).map(|n| (n as u32, 7));
        assert!(ReceivedFiles::open(process::id(), many).is_err(), "too many");
    }
}

#[test]
fn attached_files_are_passed_on_without_a_copy() {
    let sent = blob(LARGE);
    let (bytes, files) = collect(|| encode(CodecKind::default(), &(&sent, &sent)));
    let attached = AttachedFiles::from(files);
    let mut plain = Vec::new();
    assert!(CodecKind::default().encode(&attached, &mut plain).is_err(), "outside of a pool");
    let (outer, files) = collect(|| encode(CodecKind::default(), &attached));
    assert_eq!(files.count(), 1);
    let passed = open_referenced(|| CodecKind::default().decode::<AttachedFiles>(&outer)).unwrap();
    assert_eq!(passed, attached);
    // Its descriptor is another one than the one that the bytes name.
    let (again, _files) = collect(|| encode(CodecKind::default(), &passed));
    let passed = open_referenced(|| CodecKind::default().decode::<AttachedFiles>(&again)).unwrap();
    let decoded = passed.resolve(|| CodecKind::default().decode::<(Blob, Blob)>(&bytes)).unwrap();
    assert_eq!((&decoded.0, &decoded.1), (&sent, &sent));
    assert_eq!(decoded.0.as_ptr(), decoded.1.as_ptr());
    assert_ne!(AttachedFiles::default(), passed);
}

#[test]
fn scopes_nest_and_end_with_a_panic() {
    let blob = blob(LARGE);
    let ((inner, rest), outer) = collect(|| {
        encode(CodecKind::Bincode, &blob);
        let inner = collect(|| encode(CodecKind::Bincode, &blob)).1;
        let panicked = catch_panic(|| {
            collect(|| {
                encode(CodecKind::Bincode, &blob);
                panic!("while encoding");
            })
        });
        assert!(panicked.is_err());
        (inner, encode(CodecKind::Bincode, &blob))
    });
    assert_eq!((inner.count(), outer.count(), rest.len() < 100), (1, 1, true));
    assert!(encode(CodecKind::Bincode, &blob).len() > LARGE, "plain again");
}

#[test]
fn writer_and_slices_of_any_length() {
    for length in [0, 1, LARGE - 1, LARGE, LARGE + 1, 5 * LARGE + 7] {
        let expected = blob(length);
        for piece in [1000, LARGE - 1, 3 * LARGE] {
            let mut writer = BlobWriter::new();
            expected.chunks(piece).for_each(|chunk| writer.write_all(chunk).unwrap());
            assert_eq!(writer.finish().unwrap(), expected);
        }
        assert_eq!(Blob::from_slice(&expected).unwrap(), expected);
        assert_eq!(Blob::from(&*expected), expected);
    }
    assert!(Shared::<u64>::with_len(usize::MAX, |_| {}).is_err());
    assert!(Blob::with_len(usize::MAX / 2, |_| {}).is_err());
}

#[test]
fn items_have_their_alignment() {
    let numbers = Shared::<u64>::with_len(LARGE, |items| items[LARGE - 1] = 7).unwrap();
    assert_eq!((numbers.len(), numbers[LARGE - 1]), (LARGE, 7));
    let small = CodecKind::Bincode.decode::<Shared<u64>>(&encode(CodecKind::Bincode, &numbers)).unwrap();
    assert_eq!(small, numbers);
    assert_eq!(format!("{:?}", Shared::from(vec![1u64, 2])), "Shared { len: 2, .. }");
}
