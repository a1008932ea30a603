//! How many workers make sense here.

use std::sync::OnceLock;

use sys::cgroup::Groups;

/// The number of cores that this process may use: its affinity is respected, and the quotas of its control group and of
/// those around it, as of the first call. At least 1.
///
/// ```
/// let cores = pool::available_cores();
/// assert!(cores >= 1);
/// ```
#[must_use]
pub fn available_cores() -> usize {
    static QUOTA: OnceLock<Option<usize>> = OnceLock::new();
    // `num_cpus` looks at the innermost group alone.
    let quota = QUOTA.get_or_init(|| Groups::of_this_process().cpu_quota());
    num_cpus::get().min(quota.unwrap_or(usize::MAX)).max(1)
}
