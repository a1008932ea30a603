//! Encoding stops at a limit.

use std::cell::Cell;

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{CodecKind, Raw};

const LIMIT: usize = 10_000;

/// A long sequence that counts the elements that are encoded.
struct Long(Cell<u32>);

impl Serialize for Long {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(Some(1 << 20))?;
        for n in 0..1 << 20 {
            self.0.set(n);
            elements.serialize_element(&7u8)?;
        }
        elements.end()
    }
}

#[test]
fn encoding_stops_at_the_limit() {
    for &codec in CodecKind::ALL {
        let (long, mut bytes) = (Long(Cell::new(0)), vec![9]);
        let error = codec.encode_within(&long, &mut bytes, LIMIT).unwrap_err().to_string();
        assert!(error.contains("10000 bytes"), "{codec}: {error}");
        assert!(long.0.get() <= LIMIT as u32, "{codec}: {} elements", long.0.get());
        assert_eq!((bytes[..].len(), bytes.capacity() <= LIMIT + 1), (1, true), "{codec}");
        assert!(codec.encode_within(&long, &mut bytes, 1 << 24).is_ok(), "{codec}");
    }
}

#[test]
fn limit_is_exact() {
    for &codec in CodecKind::ALL {
        for capacity in [0, 2 * LIMIT] {
            let mut exact = Vec::new();
            codec.encode(&Raw(vec![7; 5000]), &mut exact).unwrap();
            for (limit, fits) in [(exact.len(), true), (exact.len() - 1, false)] {
                let mut bytes = Vec::with_capacity(capacity);
                let result = codec.encode_within(&Raw(vec![7; 5000]), &mut bytes, limit);
                assert_eq!((result.is_ok(), bytes == exact), (fits, fits), "{codec}");
            }
        }
    }
}
