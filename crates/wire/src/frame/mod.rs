//! How jobs and outcomes are laid out in messages.
//!
//! ```text
//! jobs:      frame u64, timed u8, count u32, then for each job      length u32, payload
//! outcomes:  frame u64, busy u64, count u32, last u8, then for each outcome  length u32, status u8, payload
//! ```
//! Numbers are little-endian. The payload is the codec's; lengths and statuses stay outside of it, so that one
//! payload that cannot be decoded costs one job. Outcomes stand in the order of the jobs. A worker may
//! send those of one frame in several messages; there are fewer of them than jobs if it was told to stop in between.
//! `busy` is the worker's time for these outcomes in nanoseconds.

mod jobs;
mod outcomes;

pub use jobs::{Entries, JobsView, encode_entry, jobs};
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

/// Whether `rest` is exactly `count` entries of at least `least` bytes each.
fn adds_up(mut rest: &[u8], count: u32, least: usize) -> bool {
    (0..count).all(|_| take_entry(&mut rest).is_some_and(|entry| entry.len() >= least)) && rest.is_empty()
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
    use job::FrameId;
    use proptest::prelude::*;
    use serde::Serialize;

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

        let mut writer = OutcomesWriter::new(FrameId(1));
        assert!(writer.push(CODEC, Status::Done, &Unencodable).is_err());
        let message = writer.finish(0, true);
        assert_eq!(OutcomesView::read(&message).unwrap().count, 0);
    }

    proptest! {
        #[test]
        fn jobs_and_outcomes_come_out_as_they_went_in(values: Vec<String>, cut in 0usize..20, timed: bool) {
            let mut entries = Entries::default();
            let mut writer = OutcomesWriter::new(FrameId(7));
            for value in &values {
                entries.push(CODEC, value).unwrap();
                writer.push(CODEC, Status::Failed, value).unwrap();
            }
            let cut = cut.min(values.len());
            let slices = [entries.slice(0, cut), entries.slice(cut, values.len())];
            let message = jobs(FrameId(7), timed, values.len() as u32, &slices);
            let view = JobsView::read(&message).unwrap();
            prop_assert_eq!((view.frame, view.timed), (FrameId(7), timed));
            let read: Vec<String> = view.payloads().map(|bytes| CODEC.decode(bytes).unwrap()).collect();
            prop_assert_eq!(&read, &values);

            prop_assert_eq!(OutcomesView::of_kept(FrameId(7), writer.since(0)).unwrap().count, values.len() as u32);
            let message = writer.finish(9, true);
            let view = OutcomesView::read(&message).unwrap();
            prop_assert_eq!((view.frame, view.busy_ns, view.count), (FrameId(7), 9, values.len() as u32));
            for ((status, bytes), value) in view.outcomes().zip(&values) {
                prop_assert_eq!(status, Some(Status::Failed));
                prop_assert_eq!(&CODEC.decode::<String>(bytes).unwrap(), value);
            }
        }

        #[test]
        fn garbage_is_no_frame(bytes: Vec<u8>, tag in 0usize..2) {
            let mut message = Message::new([Tag::Jobs, Tag::Outcomes][tag]);
            message.extend(&bytes);
            if let Some(view) = JobsView::read(&message) {
                prop_assert_eq!(view.payloads().count(), view.count as usize);
            }
            if let Some(view) = OutcomesView::read(&message) {
                prop_assert_eq!(view.outcomes().count(), view.count as usize);
            }
        }
    }
}
