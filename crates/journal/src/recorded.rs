//! Records of an earlier run.

use std::{fs::File, io, sync::Arc};

use crate::{
    Error,
    damage::is_followed_by_records,
    layout::{FILE_HEADER, FileKind, Record, file_kind},
    reader::Reader,
};

/// Records of an earlier run. Keeps the offsets of the records in memory, 16 bytes per record, and reads the
/// records on demand.
pub struct PastRecords {
    reader: Reader,
    /// Positions and the offsets of their last records, in ascending order.
    index: Vec<(u64, u64)>,
    /// Number of bytes after the last complete record.
    dropped: u64,
}

impl PastRecords {
    /// Reads a journal; also returns the end of its last complete record.
    pub(crate) fn read(file: Arc<File>, length: u64) -> Result<(PastRecords, u64), Error> {
        let mut reader = Reader::new(file, length);
        let start = reader.slice(0, length.min(FILE_HEADER as u64))?.unwrap_or_default();
        match file_kind(start) {
            FileKind::Journal => {}
            FileKind::Empty => return Ok((PastRecords { reader, index: Vec::new(), dropped: length }, 0)),
            FileKind::Foreign => return Err(Error::Foreign),
            FileKind::Version(version) => return Err(Error::Version(version)),
        }
        let (mut index, mut offset) = (Vec::new(), FILE_HEADER as u64);
        while let Some((record, length)) = reader.record(offset)? {
            index.push((record.position, offset));
            offset += length;
        }
        if is_followed_by_records(&mut reader, offset)? {
            return Err(Error::Corrupt { offset });
        }
        Ok((PastRecords { reader, index: last_by_position(index), dropped: length - offset }, offset))
    }

    /// Returns the number of positions that have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns the number of bytes after the last complete record: a torn end, which the first append
    /// removes.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.dropped
    }

    /// Returns whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Returns the largest position that has a record.
    #[must_use]
    pub fn last_position(&self) -> Option<u64> {
        self.index.last().map(|&(position, _)| position)
    }

    /// Returns the positions that have a record, in ascending order.
    pub fn positions(&self) -> impl Iterator<Item = u64> + '_ {
        self.index.iter().map(|&(position, _)| position)
    }

    /// Returns the record of a position, if there is one. Fastest if records are requested about in the order
    /// of the file.
    ///
    /// # Errors
    /// If reading fails, or the file was modified after it was opened.
    pub fn find(&mut self, position: u64) -> io::Result<Option<Record<'_>>> {
        let Ok(at) = self.index.binary_search_by_key(&position, |&(position, _)| position) else {
            return Ok(None);
        };
        match self.reader.record(self.index[at].1)? {
            Some((record, _)) if record.position == position => Ok(Some(record)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "modified while in use")),
        }
    }
}

/// Sorts by position and keeps only the last record of each position.
fn last_by_position(mut index: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    index.sort_unstable();
    // `dedup_by` removes the later of two neighbours, so its offset is copied to the earlier one.
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
    fn keeps_the_last_record_of_a_position() {
        assert_eq!(
            last_by_position(vec![(5, 16), (1, 90), (5, 120), (0, 200), (5, 300), (1, 10)]),
            [(0, 200), (1, 90), (5, 300)]
        );
    }
}
