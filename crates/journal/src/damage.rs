//! Distinguishes a journal that was damaged after it was written from one with a torn end.
//!
//! Both have bytes after their last complete record. A torn end contains only parts of records. After damage
//! there are complete records, which were once printed. They are of two kinds:
//!
//! - *in place*: the checksum of the header matches the offset of the record. The damage has changed bytes.
//! - *displaced*: the checksum of the text matches that of the header, so the record is complete, and the
//!   checksum of the header matches another offset nearby. The damage has removed or inserted bytes.
//!
//! A copy of a journal inside a text contains complete records as well, but is no sign of damage. Its records
//! belong to offsets in the journal that was copied. To distinguish them, the offset to which each record
//! belongs is found by trial. A record of this journal that follows the damage belongs *after* the last
//! complete record and, if the header of the damaged record is valid, after the end given by this header. A
//! copy of this journal was made before the record that contains it was written, so its records belong before
//! that record; a complete copy of another journal is as long as a part of the text, so its records belong
//! before the end of the text. Where this does not distinguish them (a part of a larger journal, or a header
//! that was lost with its block), the journal is rejected: that costs less than running recorded jobs again.

use std::io;

use crate::{
    layout::{self, FILE_HEADER, HEADER},
    reader::Reader,
};

/// Maximum displacement, in bytes, that is recognised. Trying all of them takes about 10 ms.
const MAX_DISPLACEMENT: u64 = 1 << 20;

/// A sequence of adjacent displaced records. All of them have the same displacement.
struct DisplacedRun {
    /// Offset at which the next record of the sequence would start.
    next: u64,
    /// Offset to which a record belongs minus the offset where it is; `None` if not found.
    displacement: Option<i64>,
}

/// Returns whether the file contains records that belong after `offset`, the end of the last complete record.
pub(crate) fn is_followed_by_records(reader: &mut Reader, offset: u64) -> io::Result<bool> {
    // Records in place are recognised at once, so the file is searched for them first.
    Ok(any_mark(reader, offset + 1, |reader, mark| Ok(reader.record(mark)?.is_some()))?
        || has_displaced_records(reader, offset)?)
}

fn has_displaced_records(reader: &mut Reader, offset: u64) -> io::Result<bool> {
    let min_origin = reader.expected_end(offset)?.unwrap_or(offset);
    let mut run = DisplacedRun { next: 0, displacement: None };
    any_mark(reader, offset, |reader, mark| {
        let origin = run.origin(reader, mark, min_origin)?;
        Ok(origin.is_some_and(|origin| origin >= min_origin))
    })
}

/// Returns whether `holds` is true for any record mark at `from` or after it.
fn any_mark(
    reader: &mut Reader,
    mut from: u64,
    mut holds: impl FnMut(&mut Reader, u64) -> io::Result<bool>,
) -> io::Result<bool> {
    while let Some((marks, next)) = reader.marks(from)? {
        for mark in marks {
            if holds(reader, mark)? {
                return Ok(true);
            }
        }
        from = next;
    }
    Ok(false)
}

impl DisplacedRun {
    /// Returns the offset to which the record at `mark` belongs, if it is complete. May return `None` for
    /// records that belong before `min_origin`.
    fn origin(&mut self, reader: &mut Reader, mark: u64, min_origin: u64) -> io::Result<Option<u64>> {
        if mark + MAX_DISPLACEMENT < min_origin {
            return Ok(None);
        }
        let Some(length) = reader.intact_length(mark)? else { return Ok(None) };
        let Some(header) = reader.header(mark)? else { return Ok(None) };
        if mark != self.next {
            self.displacement = find_displacement(&header, mark);
        }
        self.next = mark + length;
        let origin = self.displacement.and_then(|displacement| mark.checked_add_signed(displacement));
        Ok(origin.filter(|&origin| layout::belongs_at(&header, origin)))
    }
}

/// Returns the displacement of a header at `offset`, by trying all offsets in its vicinity, the nearest
/// first.
fn find_displacement(header: &[u8; HEADER], offset: u64) -> Option<i64> {
    let belongs = |displacement: &i64| {
        let origin = offset.checked_add_signed(*displacement).filter(|&origin| origin >= FILE_HEADER as u64);
        origin.is_some_and(|origin| layout::belongs_at(header, origin))
    };
    (1..=MAX_DISPLACEMENT as i64).flat_map(|distance| [-distance, distance]).find(belongs)
}
