//! Layout of jobs and outcomes in messages.
//!
//! ```text
//! jobs:      batch u64, flags u8, count u32, then for each job  length u32, payload
//! outcomes:  batch u64, began u64, busy u64, count u32, flags u8,
//!            then for each outcome  length u32, status u8, payload,
//!            then, if the durations flag is set, for each outcome  duration u32,
//!            then, if the files flag is set, for each file  descriptor u32, length u64
//! ```
//! Numbers are little-endian. Only the payload is encoded by the codec. Lengths and statuses are not part of
//! it, so that a payload that cannot be decoded affects a single job.
//!
//! Outcomes are in the order of the jobs. A worker may send the outcomes of one batch in several messages.
//! There are fewer outcomes than jobs if the worker was asked to stop before the end of the batch.
//!
//! `began` is the time at which the worker started on these outcomes, on the clock that all processes share,
//! and `busy` is the time that they took, both in nanoseconds. Durations are in nanoseconds too; a duration
//! above `u32::MAX` (4.3 seconds) is sent as `u32::MAX`. A message with an unknown flag is rejected.
//!
//! Files hold large data of the outcomes, see [`transfer`](crate::transfer). They are open in the worker,
//! which keeps them until the parent has [taken](sys::shared_page::SharedPage::note_files_taken) those of the
//! message.

mod jobs;
mod outcomes;

pub use jobs::{BatchFlags, Entries, JobsView, encode_entry, encode_jobs};
pub use outcomes::{OutcomesView, OutcomesWriter, Status};

use crate::{CodecError, codec::MAX_ENCODED};

/// Size in bytes of the length before an entry.
const LENGTH_SIZE: usize = 4;

/// Writes the length of the entry that starts at `start` and extends to the end of `bytes`.
#[inline]
fn write_length(bytes: &mut [u8], start: usize) -> Result<(), CodecError> {
    let length = bytes.len() - start - LENGTH_SIZE;
    let length = u32::try_from(length).map_err(|_| CodecError::too_large(MAX_ENCODED))?;
    bytes[start..start + LENGTH_SIZE].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Returns the bytes after `count` entries, or `None` if there are fewer or one is shorter than `min_size`
/// bytes.
fn skip_entries(mut rest: &[u8], count: u32, min_size: usize) -> Option<&[u8]> {
    (0..count).all(|_| take_entry(&mut rest).is_some_and(|entry| entry.len() >= min_size)).then_some(rest)
}

/// Reads the `N` flags of a message; `None` if other flags are set.
fn take_flags<const N: usize>(rest: &mut &[u8]) -> Option<[bool; N]> {
    let flags = take(rest, 1)?[0];
    let known = flags.checked_shr(N as u32) == Some(0);
    known.then(|| std::array::from_fn(|bit| flags >> bit & 1 == 1))
}

/// Packs flags into a byte, the first one into the lowest bit.
fn pack_flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.iter().enumerate().map(|(bit, &flag)| u8::from(flag) << bit).sum()
}

#[inline]
fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(rest)?;
    take(rest, usize::try_from(length).ok()?)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

#[inline]
fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CodecKind, Message, Tag};
    use job::{BatchId, MonotonicInstant};
    use proptest::prelude::*;
    use serde::Serialize;
    use std::time::Duration;

    const CODEC: CodecKind = CodecKind::ALL[0];

    struct Unencodable;

    impl Serialize for Unencodable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }

    #[test]
    fn failed_encoding_adds_nothing() {
        let mut entries = Entries::default();
        entries.push(CODEC, &1u8).unwrap();
        assert!(entries.push(CODEC, &Unencodable).is_err());
        entries.push(CODEC, &2u8).unwrap();
        assert_eq!((entries.count(), entries.slice(0, 2)), (2, &[1, 0, 0, 0, 1, 1, 0, 0, 0, 2][..]));

        let mut writer = OutcomesWriter::new(BatchId(1));
        assert!(writer.push(CODEC, Status::Done, &Unencodable).is_err());
        let message = writer.finish(MonotonicInstant(0), 0, true);
        assert_eq!(OutcomesView::read(&message).unwrap().count, 0);
    }

    #[test]
    fn durations_are_sent_for_all_outcomes_or_none() {
        let filled = |durations: &[Duration]| {
            let mut writer = OutcomesWriter::new(BatchId(1));
            writer.push(CODEC, Status::Done, &1u8).unwrap();
            writer.push(CODEC, Status::Done, &2u8).unwrap();
            durations.iter().for_each(|&duration| writer.note_duration(duration));
            let message = writer.finish(MonotonicInstant(5), 9, true);
            let view = OutcomesView::read(&message).unwrap();
            assert_eq!((view.began, view.count, view.outcomes().count()), (MonotonicInstant(5), 2, 2));
            view.durations().map(Iterator::collect::<Vec<u32>>)
        };
        let (short, long) = (Duration::from_nanos(70), Duration::from_secs(5));
        assert_eq!(filled(&[short, long]), Some(vec![70, u32::MAX]));
        assert_eq!(filled(&[short]), None);
        assert_eq!(filled(&[]), None);
    }

    #[test]
    fn rejects_inconsistent_batches() {
        let mut writer = OutcomesWriter::new(BatchId(1));
        writer.push(CODEC, Status::Done, &1u8).unwrap();
        writer.note_duration(Duration::from_nanos(70));
        let whole = writer.finish(MonotonicInstant(5), 9, true);
        let is_accepted_after = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut body = whole.body().to_vec();
            change(&mut body);
            let mut message = Message::new(Tag::Outcomes);
            message.extend(&body);
            OutcomesView::read(&message).is_some()
        };
        const FLAGS: usize = 28;
        assert!(is_accepted_after(&|_| {}));
        assert!(!is_accepted_after(&|body| body.truncate(body.len() - 1)), "truncated duration");
        assert!(!is_accepted_after(&|body| body.truncate(body.len() - 4)), "missing duration");
        assert!(!is_accepted_after(&|body| body.extend([0; 4])), "additional duration");
        assert!(!is_accepted_after(&|body| body[FLAGS] &= 1), "duration without its flag");
        assert!(!is_accepted_after(&|body| body[FLAGS] |= 4), "no files");
        assert!(!is_accepted_after(&|body| body.extend([0; 12])), "files without their flag");
        assert!(is_accepted_after(&|body| {
            body[FLAGS] |= 4;
            body.extend([0; 12]);
        }));
        assert!(!is_accepted_after(&|body| {
            body[FLAGS] |= 4;
            body.extend([0; 13]);
        }));
        assert!(!is_accepted_after(&|body| body[FLAGS] |= 8), "unknown flag");

        let mut message = encode_jobs(BatchId(1), BatchFlags::default(), 0, &[]);
        assert!(JobsView::read(&message).is_some());
        message.buffer()[2 + 8] = 4;
        assert!(JobsView::read(&message).is_none(), "unknown flag");
    }

    proptest! {
        #[test]
        fn jobs_and_outcomes_round_trip(
            values: Vec<(String, u32)>,
            cut in 0usize..20,
            flags in any::<[bool; 2]>(),
            (began, busy, last) in any::<(u64, u64, bool)>(),
        ) {
            let flags = BatchFlags { starts: flags[0], durations: flags[1] };
            let mut entries = Entries::default();
            let mut writer = OutcomesWriter::new(BatchId(7));
            for (value, duration) in &values {
                entries.push(CODEC, value).unwrap();
                writer.push(CODEC, Status::Failed, value).unwrap();
                if flags.durations {
                    writer.note_duration(Duration::from_nanos(u64::from(*duration)));
                }
            }
            let (cut, count) = (cut.min(values.len()), values.len() as u32);
            let slices = [entries.slice(0, cut), entries.slice(cut, values.len())];
            let message = encode_jobs(BatchId(7), flags, count, &slices);
            let view = JobsView::read(&message).unwrap();
            prop_assert_eq!((view.batch, view.flags, view.count), (BatchId(7), flags, count));
            let read: Vec<String> = view.payloads().map(|bytes| CODEC.decode(bytes).unwrap()).collect();
            let (values, durations): (Vec<String>, Vec<u32>) = values.into_iter().unzip();
            prop_assert_eq!(&read, &values);

            prop_assert_eq!(OutcomesView::of_saved(BatchId(7), writer.bytes_from(0)).unwrap().count, count);
            let message = writer.finish(MonotonicInstant(began), busy, last);
            let view = OutcomesView::read(&message).unwrap();
            let expected = (BatchId(7), MonotonicInstant(began), busy);
            prop_assert_eq!((view.batch, view.began, view.busy_ns), expected);
            prop_assert_eq!((view.count, view.last), (count, last));
            let has_durations = flags.durations && count > 0;
            prop_assert_eq!(view.durations().map(Iterator::collect), has_durations.then_some(durations));
            for ((status, bytes), value) in view.outcomes().zip(&values) {
                prop_assert_eq!(status, Some(Status::Failed));
                prop_assert_eq!(&CODEC.decode::<String>(bytes).unwrap(), value);
            }
        }

        #[test]
        fn views_of_garbage_are_consistent(bytes: Vec<u8>, tag in 0usize..2) {
            let mut message = Message::new([Tag::Jobs, Tag::Outcomes][tag]);
            message.extend(&bytes);
            if let Some(view) = JobsView::read(&message) {
                prop_assert_eq!(view.payloads().count(), view.count as usize);
            }
            if let Some(view) = OutcomesView::read(&message) {
                prop_assert_eq!(view.outcomes().count(), view.count as usize);
                prop_assert!(view.durations().is_none_or(|all| all.count() == view.count as usize));
            }
        }
    }
}
