//! What an earlier run has recorded.

use std::{fs::File, io, sync::Arc};

use crate::{
    Error,
    damage::is_followed_by_records,
    layout::{FILE_HEADER, Record, Start, judge},
    reader::Reader,
};

/// What an earlier run has recorded. It keeps in memory where the records are, 16 bytes for each, and reads them when they
/// are wanted.
pub struct Recorded {
    reader: Reader,
    /// Positions and where their last records start, ascending.
    index: Vec<(u64, u64)>,
    /// Number of bytes behind the last whole record.
    dropped: u64,
}

impl Recorded {
    /// Reads a journal; also returns where its last whole record ends.
    pub(crate) fn read(file: Arc<File>, length: u64) -> Result<(Recorded, u64), Error> {
        let mut reader = Reader::new(file, length);
        let start = reader.slice(0, length.min(FILE_HEADER as u64))?.unwrap_or_default();
        match judge(start) {
            Start::Journal => {}
            Start::Nothing => return Ok((Recorded { reader, index: Vec::new(), dropped: length }, 0)),
            Start::Foreign => return Err(Error::Foreign),
            Start::Version(version) => return Err(Error::Version(version)),
        }
        let (mut index, mut offset) = (Vec::new(), FILE_HEADER as u64);
        while let Some((record, length)) = reader.record(offset)? {
            index.push((record.position, offset));
            offset += length;
        }
        if is_followed_by_records(&mut reader, offset)? {
            return Err(Error::Corrupt { offset });
        }
        Ok((Recorded { reader, index: last_of_each(index), dropped: length - offset }, offset))
    }

    /// How many positions have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Number of bytes behind the last whole record: a torn end, which the first append removes.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The last position that has a record.
    #[must_use]
    pub fn last_position(&self) -> Option<u64> {
        self.index.last().map(|&(position, _)| position)
    }

    /// The positions that have a record, ascending.
    pub fn positions(&self) -> impl Iterator<Item = u64> + '_ {
        self.index.iter().map(|&(position, _)| position)
    }

    /// The record of a position, if there is one. Cheapest in the order of the file, or close to it.
    ///
    /// # Errors
    /// When reading fails, or the file has been changed meanwhile.
    pub fn find(&mut self, position: u64) -> io::Result<Option<Record<'_>>> {
        let Ok(at) = self.index.binary_search_by_key(&position, |&(position, _)| position) else {
            return Ok(None);
        };
        match self.reader.record(self.index[at].1)? {
            Some((record, _)) if record.position == position => Ok(Some(record)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it has been changed while it was used")),
        }
    }
}

/// Sorts by position, and keeps the later of two records.
fn last_of_each(mut index: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    index.sort_unstable();
    // Of two neighbours the first is removed into the second's place, so that the later one stays.
    index.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
    index.shrink_to_fit();
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_record_of_a_position_counts() {
        assert_eq!(
            last_of_each(vec![(5, 16), (1, 90), (5, 120), (0, 200), (5, 300), (1, 10)]),
            [(0, 200), (1, 90), (5, 300)]
        );
    }
}
