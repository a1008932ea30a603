//! Digest of a job's text.

use twox_hash::{XxHash3_64, XxHash3_128};

/// Digest of a job's text, of 128 bits. Collisions do not occur by accident, but the hash is not
/// cryptographic: they can be constructed.
///
/// ```
/// use journal::Digest;
///
/// assert_eq!(Digest::of("gcd", b"[4, 6]"), Digest::of("gcd", b"[4, 6]"));
/// assert_ne!(Digest::of("gcd", b"[4, 6]"), Digest::of("gcd", b"[4, 7]"));
/// assert_ne!(Digest::of("sum", b"5"), Digest::of("factorize", b"5"), "another heading");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub(crate) [u8; 16]);

impl Digest {
    /// Returns the digest of a text under a heading, such as the op whose operands the text contains.
    #[must_use]
    pub fn of(heading: impl AsRef<[u8]>, text: &[u8]) -> Digest {
        let seed = XxHash3_64::oneshot(heading.as_ref());
        Digest(XxHash3_128::oneshot_with_seed(seed, text).to_le_bytes())
    }
}
