//! What the kernel says about processes that it killed for lack of memory: `memory.events` of a control group of
//! version 2, `memory.oom_control` of version 1.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The count of this process's control group.
#[derive(Debug)]
pub struct OomKills {
    file: Option<PathBuf>,
    seen: u64,
}

impl OomKills {
    /// Counts from now on.
    #[must_use]
    pub fn watch() -> OomKills {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let file = locate(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let mut kills = OomKills { file, seen: 0 };
        kills.seen = kills.count();
        kills
    }

    /// Whether there has been one that was not told before; tells each once.
    pub fn another(&mut self) -> bool {
        let more = self.count() > self.seen;
        self.seen += u64::from(more);
        more
    }

    fn count(&self) -> u64 {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
        lines.filter_map(|number| number.trim().parse::<u64>().ok()).sum()
    }
}

/// The file that counts, given what the system says of this process's groups and of what is mounted where.
fn locate(groups: &str, mounts: &str) -> Option<PathBuf> {
    let version_1 = || {
        let group = groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == "memory").then_some(path)
        })?;
        Some(place(mounts, "cgroup", Some("memory"), group)?.join("memory.oom_control"))
    };
    let version_2 = || {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some(place(mounts, "cgroup2", None, group)?.join("memory.events"))
    };
    [version_1(), version_2()].into_iter().flatten().find(|file| file.exists())
}

/// Where a group lies in the tree of files.
fn place(mounts: &str, kind: &str, option: Option<&str>, group: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let matches = system.next()? == kind
            && option.is_none_or(|option| {
                system.next_back().is_some_and(|all| all.split(',').any(|one| one == option))
            });
        // In a container the mounted tree may begin at the group itself.
        let below = if root == "/" { group } else { group.strip_prefix(root)? };
        matches.then(|| Path::new(point).join(below.trim_start_matches('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 1 0:22 / /proc rw - proc proc rw
31 24 0:27 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu
32 24 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
33 24 0:29 /docker/a1 /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";

    #[test]
    fn a_group_is_found_where_it_is_mounted() {
        let old = place(MOUNTS, "cgroup", Some("memory"), "/jobs/one").unwrap();
        assert_eq!(old, Path::new("/sys/fs/cgroup/memory/jobs/one"));
        let new = place(MOUNTS, "cgroup2", None, "/docker/a1/inner").unwrap();
        assert_eq!(new, Path::new("/sys/fs/cgroup/unified/inner"));
        assert_eq!(place(MOUNTS, "cgroup2", None, "/elsewhere"), None);
        assert_eq!(place("nonsense", "cgroup2", None, "/"), None);
    }

    #[test]
    fn each_kill_is_told_once() {
        let folder = std::env::temp_dir().join(format!("runner-oom-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let file = folder.join("memory.events");
        let write = |count: u32| fs::write(&file, format!("low 0\noom 9\noom_kill {count}\n")).unwrap();
        write(3);
        let mut kills = OomKills { file: Some(file.clone()), seen: 3 };
        assert!(!kills.another());
        write(5);
        assert!(kills.another() && kills.another() && !kills.another());
        fs::remove_dir_all(&folder).unwrap();
        assert!(!kills.another(), "no file, no news");
    }
}
