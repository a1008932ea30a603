//! What the kernel says about processes that it killed for lack of memory: `memory.events.local` (before Linux 5.2
//! `memory.events`) of a control group of version 2, `memory.oom_control` of version 1.

use std::{fs, path::PathBuf, time::Duration};

use job::MonotonicInstant;

use crate::cgroup::{Groups, Version};

/// How often to look at the most: between two looks a kill is credited to whoever dies first.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The count of this process's control group.
///
/// The kernel counts its kills, and does not say whom it killed. So each kill has to be credited soon: to a process that
/// died of SIGKILL since the last look, or that is dying at the next one. What is left then was another process's, and is
/// dropped: it says nothing about processes that die later.
#[derive(Debug)]
pub struct OomKills {
    file: Option<PathBuf>,
    seen: u64,
    looked_at: MonotonicInstant,
}

impl OomKills {
    /// Counts from now on.
    #[must_use]
    pub fn watch() -> OomKills {
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
            .filter_map(|&(version, name)| Some(groups.folder(version, "memory")?.join(name)))
            .find(|file| file.exists());
        let mut kills = OomKills { file, seen: 0, looked_at: MonotonicInstant(0) };
        kills.seen = kills.count();
        kills
    }

    /// Takes one of the kills since the last look; returns whether there is one.
    pub fn take(&mut self) -> bool {
        let more = self.count() > self.seen;
        self.seen += u64::from(more);
        more
    }

    /// Number of kills since the last look that nobody has taken; nobody can take them any more. Looks only if the last look
    /// was a while ago.
    pub fn look(&mut self, now: MonotonicInstant) -> u64 {
        if now.since(self.looked_at) < LOOK_EVERY {
            return 0;
        }
        self.looked_at = now;
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
    fn each_kill_is_taken_once() {
        let tree = Tree::new("oom", "0::/jobs\n", MOUNTS);
        let write = |count: u32| {
            let text = format!("low 0\noom 9\noom_kill {count}\n");
            tree.write("sys/fs/cgroup/jobs/memory.events", &text);
        };
        write(3);
        let mut kills = OomKills::of(&tree.groups());
        assert!(!kills.take());
        write(5);
        assert!(kills.take() && kills.take() && !kills.take());
        drop(tree);
        assert!(!kills.take(), "no file, no news");
    }

    #[test]
    fn what_nobody_has_taken_by_the_next_look_is_dropped() {
        let groups = "5:memory:/jobs\n0::/\n";
        let mounts = "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let tree = Tree::new("oom-look", groups, mounts);
        let write = |count: u32| {
            let text = format!("oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n");
            tree.write("sys/fs/cgroup/memory/jobs/memory.oom_control", &text);
        };
        write(1);
        let mut kills = OomKills::of(&tree.groups());
        assert_eq!(kills.look(at(1000)), 0);
        write(4);
        assert!(kills.take());
        assert_eq!(kills.look(at(1050)), 0, "so soon it does not look");
        assert!(kills.take());
        assert_eq!(kills.look(at(1200)), 1);
        assert!(!kills.take() && kills.look(at(1400)) == 0, "it is told once");
    }

    #[test]
    fn kills_in_groups_within_are_not_ours() {
        let tree = Tree::new("oom-local", "0::/jobs\n", MOUNTS);
        let write = |name: &str, count: u32| {
            tree.write(&format!("sys/fs/cgroup/jobs/{name}"), &format!("oom_kill {count}\n"));
        };
        write("memory.events.local", 0);
        write("memory.events", 0);
        let mut kills = OomKills::of(&tree.groups());
        write("memory.events", 2);
        assert!(!kills.take());
        write("memory.events.local", 1);
        assert!(kills.take());
    }
}
