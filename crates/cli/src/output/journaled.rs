//! Records as they are kept in a journal, and back.

use journal::{Digest, Record};

use super::record::{Kind, Tail};

/// The number under which a kind is kept, which a change of the program must not change. What is invalid can be found out
/// again, and a cancelled job has no outcome.
fn number(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Succeeded => Some(0),
        Kind::Failed => Some(1),
        Kind::Panicked => Some(2),
        Kind::Crashed => Some(3),
        Kind::Timeout => Some(4),
        Kind::Memory => Some(5),
        Kind::Invalid | Kind::Cancelled => None,
    }
}

/// What a journal keeps of an outcome; `None` if that is nothing.
pub(crate) fn record_of(position: u64, digest: Digest, tail: &Tail) -> Option<Record<'_>> {
    Some(Record { position, digest, kind: number(tail.kind)?, text: tail.text() })
}

/// The outcome that a journal has kept; `None` if a later version of this program has.
pub(crate) fn tail_of(record: &Record<'_>) -> Option<Tail> {
    let kind = Kind::ALL.into_iter().find(|&kind| number(kind) == Some(record.kind))?;
    Some(Tail { is_recorded: true, ..Tail::new(kind, record.text.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{cancelled_tail, invalid_tail};

    #[test]
    fn what_was_kept_is_the_same_record() {
        let digest = Digest::of("sum", b"4");
        for kind in Kind::ALL.into_iter().filter(|&kind| number(kind).is_some()) {
            let tail = Tail::new(kind, b"\"ok\":true,\"result\":1}".to_vec());
            let record = record_of(7, digest, &tail).unwrap();
            assert_eq!((record.position, record.digest), (7, digest));
            let back = tail_of(&record).unwrap();
            assert_eq!((back.kind, back.text(), back.is_recorded), (kind, tail.text(), true));
        }
    }

    #[test]
    fn what_can_change_is_not_kept() {
        let place = crate::input::Place { line: 1, column: 1 };
        for tail in [cancelled_tail(), invalid_tail("no", "-", place)] {
            assert_eq!(record_of(0, Digest::of("sum", b"4"), &tail), None);
        }
        let unknown = Record { position: 0, digest: Digest::of("", b""), kind: 200, text: b"" };
        assert_eq!(tail_of(&unknown), None);
    }
}
