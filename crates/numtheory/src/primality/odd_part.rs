//! The odd part of a number.

use dashu_int::UBig;

/// Returns `odd` and `twos` with n = odd * 2^twos, for n > 0.
pub(super) fn odd_part(n: UBig) -> (UBig, usize) {
    let twos = n.trailing_zeros().unwrap_or(0);
    (n >> twos, twos)
}
