//! The bytes of a journal; the page about them is at the top of the crate.

use twox_hash::XxHash3_64;

use crate::Digest;

const NAME: &[u8; 14] = b"runner journal";
const VERSION: u16 = 1;

/// Bytes before the first record.
pub(crate) const FILE_HEADER: usize = NAME.len() + 2;

/// Starts each record. Text in JSON does not hold the first byte.
pub(crate) const MARK: &[u8; 4] = b"\x1eJR\xf1";

/// Bytes of a record before its text.
pub(crate) const HEADER: usize = 40;

/// Bytes of a record besides its text.
pub(crate) const OVERHEAD: usize = HEADER + 8;

/// One job's outcome.
///
/// ```
/// use journal::{Digest, Record};
///
/// let record = Record { position: 7, digest: Digest::of("sum", b"4"), kind: 0, text: b"10" };
/// assert_eq!(record.text.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The job's place in the input.
    pub position: u64,
    /// What its text was.
    pub digest: Digest,
    /// How it ended, in the numbers of whoever keeps the journal.
    pub kind: u8,
    /// Its outcome.
    pub text: &'a [u8],
}

/// What the start of a file tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Journal,
    /// Empty, or cut before the end of the header.
    Nothing,
    Foreign,
    Version(u16),
}

pub(crate) fn file_header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..NAME.len()].copy_from_slice(NAME);
    header[NAME.len()..].copy_from_slice(&VERSION.to_be_bytes());
    header
}

/// Judges a file by its first bytes, [`FILE_HEADER`] of them or, if it is shorter, all.
pub(crate) fn judge(start: &[u8]) -> Start {
    let (name, version) = start.split_at(start.len().min(NAME.len()));
    match version {
        _ if !NAME.starts_with(name) => Start::Foreign,
        &[high, low] => match u16::from_be_bytes([high, low]) {
            VERSION => Start::Journal,
            other => Start::Version(other),
        },
        _ => Start::Nothing,
    }
}

/// Appends the bytes of a record that is to stand at `offset`; `false`, and nothing, if its text is too long.
#[must_use]
pub(crate) fn push(record: &Record<'_>, offset: u64, into: &mut Vec<u8>) -> bool {
    let Ok(length) = u32::try_from(record.text.len()) else { return false };
    let start = into.len();
    into.extend_from_slice(MARK);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&record.position.to_le_bytes());
    into.extend_from_slice(&record.digest.0);
    into.extend_from_slice(&[record.kind, 0, 0, 0]);
    let check = header_check(&into[start..], offset);
    into.extend_from_slice(&check.to_le_bytes());
    into.extend_from_slice(record.text);
    into.extend_from_slice(&text_check(record.text, check).to_le_bytes());
    true
}

/// Length of the record whose header, [`HEADER`] bytes, this is; `None` if these bytes are no header of the record at
/// `offset`.
pub(crate) fn record_length(header: &[u8], offset: u64) -> Option<u64> {
    belongs_at(header, offset).then(|| unchecked_length(header)).flatten()
}

/// Length of the record whose header this may be, wherever it was written.
pub(crate) fn unchecked_length(header: &[u8]) -> Option<u64> {
    let is_plausible = header.len() == HEADER && header.starts_with(MARK) && header[33..36] == [0; 3];
    is_plausible.then(|| u64::from(u32::from_le_bytes(array(&header[4..8]))) + OVERHEAD as u64)
}

/// Whether the header's checksum is that of a record at `offset`.
pub(crate) fn belongs_at(header: &[u8], offset: u64) -> bool {
    let split = header.split_at_checked(HEADER - 4);
    split.is_some_and(|(checked, check)| check == header_check(checked, offset).to_le_bytes())
}

/// The record that these bytes hold; `None` if its text is damaged. The header is not checked, but for its checksum,
/// which that of the text covers.
pub(crate) fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (text, check) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    let header_check = u32::from_le_bytes(array(&header[HEADER - 4..]));
    let record = Record {
        position: u64::from_le_bytes(array(&header[8..16])),
        digest: Digest(array(&header[16..32])),
        kind: header[32],
        text,
    };
    (check == text_check(text, header_check).to_le_bytes()).then_some(record)
}

fn header_check(header: &[u8], offset: u64) -> u32 {
    // A part of a good hash is as good as its length.
    XxHash3_64::oneshot_with_seed(offset, header) as u32
}

fn text_check(text: &[u8], header_check: u32) -> u64 {
    XxHash3_64::oneshot_with_seed(header_check.into(), text)
}

/// The bytes of a part whose length is known.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record<'_> = Record { position: 3, digest: Digest([7; 16]), kind: 1, text: b"\"ok\":true" };

    #[test]
    fn the_bytes_are_the_documented_ones() {
        let mut bytes = Vec::new();
        assert!(push(&RECORD, 16, &mut bytes));
        assert_eq!(bytes.len(), OVERHEAD + RECORD.text.len());
        assert_eq!(bytes[..16], *b"\x1eJR\xf1\x09\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(
            (&bytes[16..36], &bytes[40..49]),
            (&b"\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x01\0\0\0"[..], RECORD.text)
        );
        // Fixed: a change of these is a change of the version.
        assert_eq!(
            (&bytes[36..40], &bytes[49..]),
            (&[121, 200, 167, 167][..], &[64, 24, 157, 170, 227, 180, 142, 88][..])
        );
        assert_eq!(file_header(), *b"runner journal\0\x01");
    }

    #[test]
    fn a_record_is_read_back_where_it_was_written_and_nowhere_else() {
        let mut bytes = Vec::new();
        assert!(push(&RECORD, 16, &mut bytes));
        assert_eq!(record_length(&bytes[..HEADER], 16), Some(bytes.len() as u64));
        assert_eq!(record_length(&bytes[..HEADER], 17), None);
        assert_eq!(record(&bytes), Some(RECORD));
    }

    #[test]
    fn a_single_flipped_bit_is_found() {
        let mut bytes = Vec::new();
        assert!(push(&RECORD, 16, &mut bytes));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(record_length(&bytes[..HEADER], 16).is_none() || record(&bytes).is_none(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn files_are_judged_by_their_start() {
        for length in 0..FILE_HEADER {
            assert_eq!(judge(&file_header()[..length]), Start::Nothing, "{length}");
        }
        assert_eq!(judge(&file_header()), Start::Journal);
        assert_eq!(judge(b"runner journal\x01\x02"), Start::Version(0x102));
        assert_eq!((judge(b"{"), judge(b"runner journey\0\x01")), (Start::Foreign, Start::Foreign));
    }
}
