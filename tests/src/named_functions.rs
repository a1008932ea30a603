//! Functions with `#[job]` in a library, so that several programs have them.

/// Returns twice the number.
#[pool::job]
#[must_use]
pub fn double(n: u64) -> u64 {
    2 * n
}
