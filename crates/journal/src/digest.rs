//! What stands for a job's text.

use twox_hash::{XxHash3_64, XxHash3_128};

/// Stands for a job's text. Two different texts have the same digest only if somebody has worked for it.
///
/// ```
/// use journal::Digest;
///
/// assert_eq!(Digest::of("gcd", b"[4, 6]"), Digest::of("gcd", b"[4, 6]"));
/// assert_ne!(Digest::of("gcd", b"[4, 6]"), Digest::of("gcd", b"[4, 7]"));
/// assert_ne!(Digest::of("sum", b"5"), Digest::of("factorize", b"5"), "the same text, another job");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub(crate) [u8; 16]);

impl Digest {
    /// The digest of a text that is read under a heading, such as the operation whose operands it holds.
    #[must_use]
    pub fn of(heading: impl AsRef<[u8]>, text: &[u8]) -> Digest {
        let seed = XxHash3_64::oneshot(heading.as_ref());
        Digest(XxHash3_128::oneshot_with_seed(seed, text).to_le_bytes())
    }
}
