//! Linux, whose facilities are in `sys`.

pub(crate) use sys::stream::print_error;

/// Returns the number of cores that the control groups of this process allow; `None` if they set no limit.
pub(crate) fn cpu_quota() -> Option<usize> {
    sys::cgroup::Groups::of_this_process().cpu_quota()
}
