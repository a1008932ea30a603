//! Conversion between records and journal entries.

use journal::{Digest, Record};

use super::record::{OutcomeKind, RecordBody};

/// Returns the number of a kind in journals, which must never change; `None` for kinds that are not
/// journaled: an invalid job is found again, and a cancelled job has no outcome.
fn number(kind: OutcomeKind) -> Option<u8> {
    match kind {
        OutcomeKind::Succeeded => Some(0),
        OutcomeKind::Failed => Some(1),
        OutcomeKind::Panicked => Some(2),
        OutcomeKind::Crashed => Some(3),
        OutcomeKind::Timeout => Some(4),
        OutcomeKind::Memory => Some(5),
        OutcomeKind::Denied => Some(6),
        OutcomeKind::Invalid | OutcomeKind::Cancelled => None,
    }
}

/// Returns the journal entry of an outcome; `None` if it is not journaled.
pub(crate) fn journal_record(position: u64, digest: Digest, body: &RecordBody) -> Option<Record<'_>> {
    Some(Record { position, digest, kind: number(body.kind)?, text: body.text() })
}

/// Returns the outcome of a journal entry; `None` if its kind is unknown, because a later version wrote it.
pub(crate) fn body_from_journal(record: &Record<'_>) -> Option<RecordBody> {
    let kind = OutcomeKind::ALL.into_iter().find(|&kind| number(kind) == Some(record.kind))?;
    Some(RecordBody { is_recorded: true, ..RecordBody::new(kind, record.text.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{cancelled_body, invalid_body};

    #[test]
    fn journal_entries_round_trip() {
        let digest = Digest::of("sum", b"4");
        for kind in OutcomeKind::ALL.into_iter().filter(|&kind| number(kind).is_some()) {
            let body = RecordBody::new(kind, b"\"ok\":true,\"result\":1}".to_vec());
            let record = journal_record(7, digest, &body).unwrap();
            assert_eq!((record.position, record.digest), (7, digest));
            let back = body_from_journal(&record).unwrap();
            assert_eq!((back.kind, back.text(), back.is_recorded), (kind, body.text(), true));
        }
    }

    #[test]
    fn invalid_and_cancelled_jobs_are_not_journaled() {
        let location = crate::input::Location { line: 1, column: 1 };
        for body in [cancelled_body(), invalid_body("no", "-", location)] {
            assert_eq!(journal_record(0, Digest::of("sum", b"4"), &body), None);
        }
        let unknown = Record { position: 0, digest: Digest::of("", b""), kind: 200, text: b"" };
        assert_eq!(body_from_journal(&unknown), None);
    }
}
