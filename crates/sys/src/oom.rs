//! Counts of the kernel's out-of-memory kills: `memory.events.local` (before Linux 5.2 `memory.events`) of a
//! version 2 control group, `memory.oom_control` of a version 1 control group.

use std::{fs, path::PathBuf, time::Duration};

use job::MonotonicInstant;

use crate::cgroup::{Groups, Version};

/// Shortest time between two reads of the count. Between them, kills are attributed to processes in the order
/// in which these are found dead.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Counter of out-of-memory kills in this process's control group.
///
/// The kernel counts its kills, but does not report which process was killed. So each kill must be attributed
/// soon: to a process that died of SIGKILL since the last [check](OomKills::drop_unclaimed), or that is
/// dying at the next one. The remaining kills belong to other processes and are dropped: they do not
/// explain the deaths of processes that die later.
#[derive(Debug)]
pub struct OomKills {
    file: Option<PathBuf>,
    seen: u64,
    last_look: MonotonicInstant,
}

impl OomKills {
    /// Starts counting.
    #[must_use]
    pub fn start() -> OomKills {
        OomKills::of(&Groups::of_this_process())
    }

    fn of(groups: &Groups) -> OomKills {
        let files = [
            (Version::One, "memory.oom_control"),
            (Version::Two, "memory.events.local"),
            (Version::Two, "memory.events"),
        ];
        let file = files
            .iter()
            .filter_map(|&(version, name)| Some(groups.directory(version, "memory")?.join(name)))
            .find(|file| file.exists());
        let mut kills = OomKills { file, seen: 0, last_look: MonotonicInstant(0) };
        kills.seen = kills.count();
        kills
    }

    /// Attributes one of the kills since the last look to a process; returns false if there is none left.
    pub fn claim(&mut self) -> bool {
        let more = self.count() > self.seen;
        self.seen += u64::from(more);
        more
    }

    /// Reads the count and drops the kills since the last call that were not [claimed](OomKills::claim);
    /// returns their number. Does nothing and returns 0 if the last look was less than 100 ms ago.
    pub fn drop_unclaimed(&mut self, now: MonotonicInstant) -> u64 {
        if now.since(self.last_look) < MIN_INTERVAL {
            return 0;
        }
        self.last_look = now;
        let before = self.seen;
        self.seen = self.count();
        self.seen.saturating_sub(before)
    }

    fn count(&self) -> u64 {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
        lines.filter_map(|number| number.trim().parse::<u64>().ok()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::tests::Tree;

    fn at(millis: u64) -> MonotonicInstant {
        MonotonicInstant(millis * 1_000_000)
    }

    const MOUNTS: &str = "33 24 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";

    #[test]
    fn takes_each_kill_once() {
        let tree = Tree::new("oom", "0::/jobs\n", MOUNTS);
        let write = |count: u32| {
            let text = format!("low 0\noom 9\noom_kill {count}\n");
            tree.write("sys/fs/cgroup/jobs/memory.events", &text);
        };
        write(3);
        let mut kills = OomKills::of(&tree.groups());
        assert!(!kills.claim());
        write(5);
        assert!(kills.claim() && kills.claim() && !kills.claim());
        drop(tree);
        assert!(!kills.claim(), "a missing file reports no kills");
    }

    #[test]
    fn look_drops_kills_that_were_not_taken() {
        let groups = "5:memory:/jobs\n0::/\n";
        let mounts = "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let tree = Tree::new("oom-look", groups, mounts);
        let write = |count: u32| {
            let text = format!("oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n");
            tree.write("sys/fs/cgroup/memory/jobs/memory.oom_control", &text);
        };
        write(1);
        let mut kills = OomKills::of(&tree.groups());
        assert_eq!(kills.drop_unclaimed(at(1000)), 0);
        write(4);
        assert!(kills.claim());
        assert_eq!(kills.drop_unclaimed(at(1050)), 0, "the last look was less than 100 ms ago");
        assert!(kills.claim());
        assert_eq!(kills.drop_unclaimed(at(1200)), 1);
        assert!(!kills.claim() && kills.drop_unclaimed(at(1400)) == 0, "each kill is returned once");
    }

    #[test]
    fn ignores_kills_in_nested_groups() {
        let tree = Tree::new("oom-local", "0::/jobs\n", MOUNTS);
        let write = |name: &str, count: u32| {
            tree.write(&format!("sys/fs/cgroup/jobs/{name}"), &format!("oom_kill {count}\n"));
        };
        write("memory.events.local", 0);
        write("memory.events", 0);
        let mut kills = OomKills::of(&tree.groups());
        write("memory.events", 2);
        assert!(!kills.claim());
        write("memory.events.local", 1);
        assert!(kills.claim());
    }
}
