//! Load and available memory of the machine, as the kernel reports them in files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    cgroup::{Groups, Version},
    process::descendants,
};

/// Limits of control groups from here on mean that there is no limit: version 1 reports the largest number
/// of whole pages.
const UNLIMITED: u64 = 1 << 60;

/// Reader of the files in `/proc` and in the control groups of this process.
///
/// ```
/// let machine = sys::load::Machine::below("/".as_ref());
/// assert!(machine.cores()? >= 1);
/// assert!(machine.available_memory()? > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Machine {
    proc: PathBuf,
    groups: Groups,
}

impl Machine {
    /// Reads from a file tree whose root is `root` instead of `/`.
    #[must_use]
    pub fn below(root: &Path) -> Machine {
        Machine { proc: root.join("proc"), groups: Groups::below(root) }
    }

    /// Returns the number of threads of the machine that are running or wait for a core.
    ///
    /// # Errors
    /// If `/proc/loadavg` cannot be read or has another format.
    pub fn runnable(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.proc.join("loadavg"))?;
        let counts = text.split_whitespace().nth(3).and_then(|field| field.split_once('/'));
        counts.and_then(|(runnable, _)| runnable.parse().ok()).ok_or_else(invalid)
    }

    /// Returns the number of threads of a process and its descendants that are running or wait for a core. A
    /// process that has ended has none.
    #[must_use]
    pub fn runnable_of(&self, pid: u32) -> u64 {
        let processes = std::iter::once(pid).chain(descendants(&self.proc, pid));
        processes.map(|pid| self.runnable_threads(pid)).sum()
    }

    fn runnable_threads(&self, pid: u32) -> u64 {
        let threads = fs::read_dir(self.proc.join(format!("{pid}/task"))).into_iter().flatten().flatten();
        let is_runnable = |thread: &fs::DirEntry| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The command name before the state may contain anything, including parentheses.
            stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R'))
        };
        threads.filter(is_runnable).count() as u64
    }

    /// Returns the number of cores that are online.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read or lists none.
    pub fn cores(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.proc.join("stat"))?;
        let is_core = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        Some(text.lines().filter(is_core).count() as u64).filter(|&cores| cores > 0).ok_or_else(invalid)
    }

    /// Returns the memory, in bytes, that processes can allocate before the system swaps or kills: what the
    /// machine has available, or what the limits of this process's control groups leave, if that is less.
    /// File caches that can be dropped count as available.
    ///
    /// # Errors
    /// If `/proc/meminfo` cannot be read or does not have the value.
    pub fn available_memory(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.proc.join("meminfo"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        let machine = kilobytes.ok_or_else(invalid)? << 10;
        let in_groups = [Version::One, Version::Two].into_iter().flat_map(|version| {
            let folders = self.groups.directories(version, "memory");
            folders.filter_map(move |folder| available_in(version, &folder))
        });
        Ok(in_groups.fold(machine, u64::min))
    }
}

/// Returns the memory that the limit of a control group leaves, in bytes; `None` if it has no limit.
fn available_in(version: Version, folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, usage, caches) = match version {
        Version::One => {
            let limit = number("memory.limit_in_bytes")?;
            (limit, number("memory.usage_in_bytes")?, &["total_inactive_file"][..])
        }
        Version::Two => {
            // Above `memory.high` processes are slowed down. A value of `max` means no limit.
            let limits = [number("memory.max"), number("memory.high")];
            let limit = limits.into_iter().flatten().min()?;
            (limit, number("memory.current")?, &["inactive_file", "slab_reclaimable"][..])
        }
    };
    if limit >= UNLIMITED {
        return None;
    }
    let stat = read("memory.stat").unwrap_or_default();
    let values = stat.lines().filter_map(|line| line.split_once(' '));
    let reclaimable: u64 = values
        .filter(|(name, _)| caches.contains(name))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum();
    Some(limit.saturating_sub(usage.saturating_sub(reclaimable)))
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file has an unknown format")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::tests::Tree;

    const GROUPS: &str = "4:memory:/batch\n0::/run/inner\n";
    const MOUNTS: &str = "\
32 24 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
42 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";

    fn machine(name: &str) -> (Tree, Machine) {
        let tree = Tree::new(name, GROUPS, MOUNTS);
        let machine = Machine::below(&tree.0);
        (tree, machine)
    }

    #[test]
    fn reads_the_load_of_the_machine_and_of_a_process_tree() {
        let (tree, machine) = machine("load");
        assert!(machine.runnable().is_err() && machine.cores().is_err());
        tree.write("proc/loadavg", "0.12 0.50 1.00 7/345 6789\n");
        tree.write("proc/stat", "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nctxt 9\ncpufreq 3\n");
        assert_eq!((machine.runnable().unwrap(), machine.cores().unwrap()), (7, 2));
        tree.write("proc/5/task/5/stat", "5 (a) R) R 1 5\n");
        tree.write("proc/5/task/5/children", "8 9 ");
        tree.write("proc/5/task/6/stat", "6 (R) S 1 5\n");
        tree.write("proc/8/task/8/stat", "8 (x) R 5 5\n");
        tree.write("proc/9/task/9/stat", "9 (x) D 5 5\n");
        tree.write("proc/7/task/7/stat", "7 (x) R 1 7\n");
        assert_eq!((machine.runnable_of(5), machine.runnable_of(4)), (2, 0));
        tree.write("proc/loadavg", "0.12 0.50 1.00\n");
        assert!(machine.runnable().is_err());
    }

    #[test]
    fn available_memory_is_the_least_of_the_machine_and_all_control_groups() {
        let (tree, machine) = machine("memory");
        assert!(machine.available_memory().is_err());
        tree.write("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:    8000 kB\nBuffers:  1 kB\n");
        let available = || machine.available_memory().unwrap() >> 10;
        assert_eq!(available(), 8000);
        let group = |path: &str, text: &str| tree.write(&format!("sys/fs/cgroup/{path}"), text);
        group("memory/batch/memory.limit_in_bytes", "9223372036854771712\n");
        group("memory/batch/memory.usage_in_bytes", "1024\n");
        assert_eq!(available(), 8000, "no limit");
        group("memory/batch/memory.limit_in_bytes", "6144000\n");
        group("memory/batch/memory.usage_in_bytes", "1024000\n");
        assert_eq!(available(), 5000);
        group("memory/batch/memory.stat", "inactive_file 7\ntotal_inactive_file 512000\n");
        assert_eq!(available(), 5500, "caches can be dropped");
        group("unified/run/memory.max", "max\n");
        group("unified/run/memory.current", "2048000\n");
        assert_eq!(available(), 5500, "no limit");
        group("unified/run/memory.high", "4096000\n");
        assert_eq!(available(), 2000, "the limit of an outer group");
        group("unified/run/memory.stat", "anon 1\ninactive_file 102400\nslab_reclaimable 102400\n");
        assert_eq!(available(), 2200);
        group("unified/run/memory.current", "9999999\n");
        group("unified/run/memory.stat", "");
        assert_eq!(available(), 0);
    }
}
