//! How jobs and outcomes are laid out in messages.
//!
//! ```text
//! jobs:      batch u64, flags u8, count u32, then for each job  length u32, payload
//! outcomes:  batch u64, began u64, busy u64, count u32, flags u8, then for each outcome  length u32, status u8, payload,
//!            then, if the flags say so, for each outcome  duration u32
//! ```
//! Numbers are little-endian. The payload is the codec's; lengths and statuses stay outside of it, so that one
//! payload that cannot be decoded costs one job. Outcomes stand in the order of the jobs. A worker may
//! send those of one batch in several messages; there are fewer of them than jobs if it was told to stop in between.
//! `began` is when the worker began with these outcomes, on the clock that all processes share, and `busy` how long they took
//! it, both in nanoseconds; so are the durations, none of which is told that is longer than 4 seconds. Flags that this version
//! does not know are no flags.

mod jobs;
mod outcomes;

pub use jobs::{BatchFlags, Entries, JobsView, encode_entry, jobs};
pub use outcomes::{OutcomesView, OutcomesWriter, Status};

use crate::CodecError;

/// How many bytes the length of an entry takes.
const LENGTH: usize = 4;

/// Writes the length of the entry that starts at `start` and goes on to the end.
#[inline]
fn seal(bytes: &mut [u8], start: usize) -> Result<(), CodecError> {
    let length = bytes.len() - start - LENGTH;
    let length =
        u32::try_from(length).map_err(|_| CodecError(format!("{length} bytes are too many for one job")))?;
    bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// What follows `count` entries of at least `least` bytes each; `None` if there are not that many.
fn after_entries(mut rest: &[u8], count: u32, least: usize) -> Option<&[u8]> {
    (0..count).all(|_| take_entry(&mut rest).is_some_and(|entry| entry.len() >= least)).then_some(rest)
}

/// The flags of a message; `None` if there are others than `N`.
fn take_flags<const N: usize>(rest: &mut &[u8]) -> Option<[bool; N]> {
    let flags = take(rest, 1)?[0];
    let known = flags.checked_shr(N as u32) == Some(0);
    known.then(|| std::array::from_fn(|place| flags >> place & 1 == 1))
}

/// The byte of these flags.
fn pack_flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.iter().enumerate().map(|(place, &flag)| u8::from(flag) << place).sum()
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

    const CODEC: CodecKind = CodecKind::Bincode;

    struct Unencodable;

    impl Serialize for Unencodable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }

    #[test]
    fn a_value_that_cannot_be_encoded_leaves_no_trace() {
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
    fn durations_are_told_for_all_outcomes_or_for_none() {
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
    fn what_does_not_add_up_is_no_batch() {
        let mut writer = OutcomesWriter::new(BatchId(1));
        writer.push(CODEC, Status::Done, &1u8).unwrap();
        writer.note_duration(Duration::from_nanos(70));
        let whole = writer.finish(MonotonicInstant(5), 9, true);
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut body = whole.body().to_vec();
            change(&mut body);
            let mut message = Message::new(Tag::Outcomes);
            message.extend(&body);
            OutcomesView::read(&message).is_some()
        };
        const FLAGS: usize = 28;
        assert!(changed(&|_| {}));
        assert!(!changed(&|body| body.truncate(body.len() - 1)), "half a duration");
        assert!(!changed(&|body| body.truncate(body.len() - 4)), "none although there should be one");
        assert!(!changed(&|body| body.extend([0; 4])), "one too many");
        assert!(!changed(&|body| body[FLAGS] &= 1), "one although there should be none");
        assert!(!changed(&|body| body[FLAGS] |= 4), "a flag that nobody knows");

        let mut message = jobs(BatchId(1), BatchFlags::default(), 0, &[]);
        assert!(JobsView::read(&message).is_some());
        message.buffer()[2 + 8] = 4;
        assert!(JobsView::read(&message).is_none(), "a flag that nobody knows");
    }

    proptest! {
        #[test]
        fn jobs_and_outcomes_come_out_as_they_went_in(
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
            let message = jobs(BatchId(7), flags, count, &slices);
            let view = JobsView::read(&message).unwrap();
            prop_assert_eq!((view.batch, view.flags, view.count), (BatchId(7), flags, count));
            let read: Vec<String> = view.payloads().map(|bytes| CODEC.decode(bytes).unwrap()).collect();
            let (values, durations): (Vec<String>, Vec<u32>) = values.into_iter().unzip();
            prop_assert_eq!(&read, &values);

            prop_assert_eq!(OutcomesView::of_saved(BatchId(7), writer.since(0)).unwrap().count, count);
            let message = writer.finish(MonotonicInstant(began), busy, last);
            let view = OutcomesView::read(&message).unwrap();
            prop_assert_eq!((view.batch, view.began, view.busy_ns), (BatchId(7), MonotonicInstant(began), busy));
            prop_assert_eq!((view.count, view.last), (count, last));
            let told = flags.durations && count > 0;
            prop_assert_eq!(view.durations().map(Iterator::collect), told.then_some(durations));
            for ((status, bytes), value) in view.outcomes().zip(&values) {
                prop_assert_eq!(status, Some(Status::Failed));
                prop_assert_eq!(&CODEC.decode::<String>(bytes).unwrap(), value);
            }
        }

        #[test]
        fn garbage_is_no_batch(bytes: Vec<u8>, tag in 0usize..2) {
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
