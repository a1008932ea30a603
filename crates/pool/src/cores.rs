//! How many workers make sense here.

/// The number of cores that this process may use: its affinity and its control group's quota are respected. At
/// least 1.
///
/// ```
/// let cores = pool::available_cores();
/// assert!(cores >= 1);
/// ```
#[must_use]
pub fn available_cores() -> usize {
    num_cpus::get().max(1)
}
