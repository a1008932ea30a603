//! Records as they are kept in a journal, and back.

use journal::{Digest, Record};

use super::record::{OutcomeKind, RecordBody};

/// The number under which a kind is kept, which a change of the program must not change. What is invalid can
/// be found out again, and a cancelled job has no outcome.
fn number(kind: OutcomeKind) -> Option<u8> {
    match kind {
        OutcomeKind::Succeeded => Some(0),
        OutcomeKind::Failed => Some(1),
        OutcomeKind::Panicked => Some(2),
        OutcomeKind::Crashed => Some(3),
        OutcomeKind::Timeout => Some(4),
        OutcomeKind::Memory => Some(5),
        OutcomeKind::Invalid | OutcomeKind::Cancelled => None,
    }
}

/// What a journal keeps of an outcome; `None` if that is nothing.
pub(crate) fn journal_record(position: u64, digest: Digest, body: &RecordBody) -> Option<Record<'_>> {
    Some(Record { position, digest, kind: number(body.kind)?, text: body.text() })
}

/// The outcome that a journal has kept; `None` if a later version of this program has.
pub(crate) fn body_from_journal(record: &Record<'_>) -> Option<RecordBody> {
    let kind = OutcomeKind::ALL.into_iter().find(|&kind| number(kind) == Some(record.kind))?;
    Some(RecordBody { is_recorded: true, ..RecordBody::new(kind, record.text.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{cancelled_body, invalid_body};

    #[test]
    fn what_was_kept_is_the_same_record() {
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
    fn what_can_change_is_not_kept() {
        let location = crate::input::Location { line: 1, column: 1 };
        for body in [cancelled_body(), invalid_body("no", "-", location)] {
            assert_eq!(journal_record(0, Digest::of("sum", b"4"), &body), None);
        }
        let unknown = Record { position: 0, digest: Digest::of("", b""), kind: 200, text: b"" };
        assert_eq!(body_from_journal(&unknown), None);
    }
}
