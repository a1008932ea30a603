//! Number of available cores.

use std::sync::OnceLock;

use crate::platform::cpu_quota;

/// Returns the number of cores that this process may use, at least 1. Respects the CPU affinity, and on
/// Linux the quotas of the process's control group and its ancestors as of the first call.
///
/// ```
/// let cores = pool::settings::available_cores();
/// assert!(cores >= 1);
/// ```
#[must_use]
pub fn available_cores() -> usize {
    static QUOTA: OnceLock<Option<usize>> = OnceLock::new();
    // `num_cpus` reads the quota of the innermost group only.
    let quota = QUOTA.get_or_init(cpu_quota);
    num_cpus::get().min(quota.unwrap_or(usize::MAX)).max(1)
}
