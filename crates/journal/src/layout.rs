//! Encodes and decodes records; see the [crate documentation](crate) for the format.

use twox_hash::XxHash3_64;

use crate::Digest;

const NAME: &[u8; 14] = b"runner journal";
const VERSION: u16 = 1;

/// Number of bytes before the first record.
pub(crate) const FILE_HEADER: usize = NAME.len() + 2;

/// First bytes of each record. The first one does not occur in JSON text.
pub(crate) const MARK: &[u8; 4] = b"\x1eJR\xf1";

/// Number of bytes of a record before its text.
pub(crate) const HEADER: usize = 40;

/// Number of bytes of a record without its text.
pub(crate) const OVERHEAD: usize = HEADER + 8;

/// Outcome of one job.
///
/// ```
/// use journal::{Digest, Record};
///
/// let record = Record { position: 7, digest: Digest::of("sum", b"4"), kind: 0, text: b"10" };
/// assert_eq!(record.text.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Position of the job in the input.
    pub position: u64,
    /// Digest of the job's text.
    pub digest: Digest,
    /// Kind of outcome; the values are defined by the user of this crate.
    pub kind: u8,
    /// Text of the outcome.
    pub text: &'a [u8],
}

/// Kind of a file according to its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Journal,
    /// Empty, or truncated before the end of the header.
    Empty,
    Foreign,
    Version(u16),
}

pub(crate) fn file_header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..NAME.len()].copy_from_slice(NAME);
    header[NAME.len()..].copy_from_slice(&VERSION.to_be_bytes());
    header
}

/// Returns the kind of a file, given its first [`FILE_HEADER`] bytes, or all of them if it is shorter.
pub(crate) fn file_kind(start: &[u8]) -> FileKind {
    let (name, version) = start.split_at(start.len().min(NAME.len()));
    match version {
        _ if !NAME.starts_with(name) => FileKind::Foreign,
        &[high, low] => match u16::from_be_bytes([high, low]) {
            VERSION => FileKind::Journal,
            other => FileKind::Version(other),
        },
        _ => FileKind::Empty,
    }
}

/// Appends the encoding of a record at `offset` of the file to `into`. Returns `false`, and appends nothing,
/// if the text has 4 GiB or more.
#[must_use]
pub(crate) fn encode(record: &Record<'_>, offset: u64, into: &mut Vec<u8>) -> bool {
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

/// Returns the length of the record with this header of [`HEADER`] bytes, or `None` if it is not a valid
/// header of a record at `offset`.
pub(crate) fn record_length(header: &[u8], offset: u64) -> Option<u64> {
    belongs_at(header, offset).then(|| unchecked_length(header)).flatten()
}

/// Returns the length of the record with this header without checking the checksum, or `None` if it is not a
/// header.
pub(crate) fn unchecked_length(header: &[u8]) -> Option<u64> {
    let is_plausible = header.len() == HEADER && header.starts_with(MARK) && header[33..36] == [0; 3];
    is_plausible.then(|| u64::from(u32::from_le_bytes(array(&header[4..8]))) + OVERHEAD as u64)
}

/// Returns whether the header's checksum is that of a record at `offset`.
pub(crate) fn belongs_at(header: &[u8], offset: u64) -> bool {
    let split = header.split_at_checked(HEADER - 4);
    split.is_some_and(|(checked, check)| check == header_check(checked, offset).to_le_bytes())
}

/// Decodes a record; `None` if its text is damaged. Of the header only the checksum is verified, because the
/// checksum of the text covers it.
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
    // A truncated XXH3 hash is as good as any hash of that length.
    XxHash3_64::oneshot_with_seed(offset, header) as u32
}

fn text_check(text: &[u8], header_check: u32) -> u64 {
    XxHash3_64::oneshot_with_seed(header_check.into(), text)
}

/// Returns a slice of N bytes as an array.
///
/// # Panics
/// If the length is not N.
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
    fn encoding_is_the_documented_one() {
        let mut bytes = Vec::new();
        assert!(encode(&RECORD, 16, &mut bytes));
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
        assert!(encode(&RECORD, 16, &mut bytes));
        assert_eq!(record_length(&bytes[..HEADER], 16), Some(bytes.len() as u64));
        assert_eq!(record_length(&bytes[..HEADER], 17), None);
        assert_eq!(record(&bytes), Some(RECORD));
    }

    #[test]
    fn single_flipped_bit_is_detected() {
        let mut bytes = Vec::new();
        assert!(encode(&RECORD, 16, &mut bytes));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(record_length(&bytes[..HEADER], 16).is_none() || record(&bytes).is_none(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn file_kind_depends_on_the_header() {
        for length in 0..FILE_HEADER {
            assert_eq!(file_kind(&file_header()[..length]), FileKind::Empty, "{length}");
        }
        assert_eq!(file_kind(&file_header()), FileKind::Journal);
        assert_eq!(file_kind(b"runner journal\x01\x02"), FileKind::Version(0x102));
        assert_eq!(
            (file_kind(b"{"), file_kind(b"runner journey\0\x01")),
            (FileKind::Foreign, FileKind::Foreign)
        );
    }
}
