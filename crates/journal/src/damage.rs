//! Telling a journal that was damaged after it was written from one whose end is torn.
//!
//! Both have bytes behind their last whole record. A torn end holds nothing but parts of records. Behind damage there
//! are whole records that were once printed; they are of two kinds:
//!
//! - *in place*: the header's checksum fits the place where the record stands. The damage has changed bytes.
//! - *displaced*: the text's checksum fits the header's, so the record is whole, and the header's checksum fits another
//!   place nearby. The damage has removed or inserted bytes.
//!
//! A copy of a journal inside of a text has whole records as well, and proves nothing. Its records belong to places of
//! the journal that was copied. They are told apart by the place that they belong to, which is tried out: a record of
//! this journal that follows the damage belongs *behind* the last whole record and, if the header of the damaged record is
//! whole, behind the end that this header promises. A copy of this journal was made before the record that holds it was
//! written, so its records belong in front of that; a whole copy of another one is as long as a part of the text, so its
//! records belong in front of the end of the text. Where that does not tell them apart (a part of a larger journal, or a
//! header that is lost with its block), the journal is refused: that costs less than running recorded jobs again.

use std::io;

use crate::{
    layout::{self, FILE_HEADER, HEADER},
    reader::Reader,
};

/// Displacements up to this many bytes are recognised. Trying all of them takes some 10 ms.
const MAX_DISPLACEMENT: u64 = 1 << 20;

/// Whole records that stand behind one another, where they do not belong. All of them are displaced alike.
struct Run {
    /// Where the next of them would start.
    next: u64,
    /// Place that a record belongs to, minus the place where it is, if that is known.
    displacement: Option<i64>,
}

/// Whether records that belong behind `offset`, where the last whole record ends, are in the file.
pub(crate) fn is_followed_by_records(reader: &mut Reader, offset: u64) -> io::Result<bool> {
    // Records in place are recognised at once, so all of them are looked for first.
    Ok(any_mark(reader, offset + 1, |reader, mark| Ok(reader.record(mark)?.is_some()))?
        || has_displaced_records(reader, offset)?)
}

fn has_displaced_records(reader: &mut Reader, offset: u64) -> io::Result<bool> {
    let first_place = reader.promised_end(offset)?.unwrap_or(offset);
    let mut run = Run { next: 0, displacement: None };
    any_mark(reader, offset, |reader, mark| {
        let place = run.displaced_place(reader, mark, first_place)?;
        Ok(place.is_some_and(|place| place >= first_place))
    })
}

/// Whether this holds of a mark at `from` or behind.
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

impl Run {
    /// The place that the record at `mark` belongs to, if it is whole; looked for only as far as necessary to find
    /// records that belong at `first_place` or behind.
    fn displaced_place(
        &mut self,
        reader: &mut Reader,
        mark: u64,
        first_place: u64,
    ) -> io::Result<Option<u64>> {
        if mark + MAX_DISPLACEMENT < first_place {
            return Ok(None);
        }
        let Some(length) = reader.intact_length(mark)? else { return Ok(None) };
        let Some(header) = reader.header(mark)? else { return Ok(None) };
        if mark != self.next {
            self.displacement = find_displacement(&header, mark);
        }
        self.next = mark + length;
        let place = self.displacement.and_then(|displacement| mark.checked_add_signed(displacement));
        Ok(place.filter(|&place| layout::belongs_at(&header, place)))
    }
}

/// Tries the places around the one where the header is, the nearest first.
fn find_displacement(header: &[u8; HEADER], at: u64) -> Option<i64> {
    let belongs = |displacement: &i64| {
        let place = at.checked_add_signed(*displacement).filter(|&place| place >= FILE_HEADER as u64);
        place.is_some_and(|place| layout::belongs_at(header, place))
    };
    (1..=MAX_DISPLACEMENT as i64).flat_map(|distance| [-distance, distance]).find(belongs)
}
