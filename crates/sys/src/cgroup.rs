//! Control groups of this process, versions 1 and 2: their directories and their limits.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Version of the control group interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller.
    One,
    /// One hierarchy for all controllers.
    Two,
}

/// The control groups of this process at the time they were read.
///
/// ```
/// let quota = sys::cgroup::Groups::of_this_process().cpu_quota();
/// assert!(quota.is_none_or(|cores| cores >= 1));
/// ```
#[derive(Debug)]
pub struct Groups {
    root: PathBuf,
    groups: String,
    mounts: String,
}

impl Groups {
    /// Reads the groups that this process is in.
    #[must_use]
    pub fn of_this_process() -> Groups {
        Groups::below(Path::new("/"))
    }

    /// Reads the groups from a file tree whose root is `root` instead of `/`.
    #[must_use]
    pub fn below(root: &Path) -> Groups {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        Groups {
            root: root.to_owned(),
            groups: read("proc/self/cgroup"),
            mounts: read("proc/self/mountinfo"),
        }
    }

    /// Returns the directory of this process's group for a controller; `None` if there is no such group, or
    /// if it is not mounted.
    #[must_use]
    pub fn directory(&self, version: Version, controller: &str) -> Option<PathBuf> {
        self.directories(version, controller).next()
    }

    /// Returns the directories of that group and of its ancestors, innermost first, as far as they are
    /// mounted.
    pub fn directories(&self, version: Version, controller: &str) -> impl Iterator<Item = PathBuf> {
        let mounted =
            self.group(version, controller).and_then(|group| self.mount(version, controller, group));
        let within = |(point, below): (PathBuf, PathBuf)| {
            let folders: Vec<PathBuf> = below.ancestors().map(|part| point.join(part)).collect();
            folders
        };
        mounted.map(within).unwrap_or_default().into_iter()
    }

    /// Returns the number of cores that this process may use by the CPU quotas of all its groups, rounded up;
    /// `None` if there is no quota.
    #[must_use]
    pub fn cpu_quota(&self) -> Option<usize> {
        let versions = [Version::One, Version::Two];
        let folders =
            versions.into_iter().flat_map(|v| self.directories(v, "cpu").map(move |folder| (v, folder)));
        folders.filter_map(|(version, directory)| quota(version, &directory)).min()
    }

    /// Returns the path of the group within its hierarchy.
    fn group(&self, version: Version, controller: &str) -> Option<&str> {
        self.groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let matches = match version {
                Version::One => controllers.split(',').any(|name| name == controller),
                Version::Two => controllers.is_empty(),
            };
            matches.then_some(path)
        })
    }

    /// Returns the mount point of the hierarchy, and the path of the group below it.
    fn mount(&self, version: Version, controller: &str, group: &str) -> Option<(PathBuf, PathBuf)> {
        self.mounts.lines().find_map(|line| {
            let (mount, system) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            let mut system = system.split(' ');
            let kind = system.next()?;
            let matches = match version {
                Version::One => {
                    let mut options = system.next_back()?.split(',');
                    kind == "cgroup" && options.any(|option| option == controller)
                }
                Version::Two => kind == "cgroup2",
            };
            // In a container, the mounted tree may begin at the group itself.
            let below = Path::new(group).strip_prefix(root).ok().filter(|_| matches)?;
            Some((self.root.join(point.trim_start_matches('/')), below.to_owned()))
        })
    }
}

/// Returns the number of cores by the quota of one group, rounded up.
fn quota(version: Version, folder: &Path) -> Option<usize> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let (quota, period) = match version {
        Version::One => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
        Version::Two => {
            let both = read("cpu.max")?;
            let (quota, period) = both.trim().split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // A quota of -1 or `max` means no quota.
    let (quota, period): (usize, usize) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0 && period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A temporary file tree in place of `/`, removed on drop.
    pub(crate) struct Tree(pub(crate) PathBuf);

    impl Tree {
        pub(crate) fn new(name: &str, groups: &str, mounts: &str) -> Tree {
            let root = std::env::temp_dir().join(format!("runner-cgroup-{name}-{}", std::process::id()));
            let tree = Tree(root);
            tree.write("proc/self/cgroup", groups);
            tree.write("proc/self/mountinfo", mounts);
            tree
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        pub(crate) fn groups(&self) -> Groups {
            Groups::below(&self.0)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MOUNTS_1: &str = "\
24 1 0:22 / /proc rw - proc proc rw
31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
32 24 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory";
    const MOUNTS_2: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn cpu_quota_is_the_smallest_of_all_ancestors_in_version_2() {
        let tree = Tree::new("v2", "0::/user.slice/shell.scope/inner\n", MOUNTS_2);
        let write = |group: &str, text: &str| tree.write(&format!("sys/fs/cgroup{group}/cpu.max"), text);
        assert_eq!(tree.groups().cpu_quota(), None, "the group has no CPU controller");
        write("/user.slice/shell.scope/inner", "max 100000\n");
        assert_eq!(tree.groups().cpu_quota(), None);
        write("/user.slice", "250000 100000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(3), "rounded up");
        write("/user.slice/shell.scope", "50000 50000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(1));
        write("/user.slice/shell.scope/inner", "800000 100000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(1));
        write("/other.slice", "10000 100000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(1), "another group's quota");
    }

    #[test]
    fn cpu_quota_is_the_smallest_of_all_ancestors_in_version_1() {
        let groups = "12:memory:/\n4:cpu,cpuacct:/batch/job7\n0::/batch\n";
        let tree = Tree::new("v1", groups, MOUNTS_1);
        let write = |group: &str, quota: &str| {
            let folder = format!("sys/fs/cgroup/cpu,cpuacct{group}");
            tree.write(&format!("{folder}/cpu.cfs_quota_us"), quota);
            tree.write(&format!("{folder}/cpu.cfs_period_us"), "100000\n");
        };
        write("", "-1\n");
        write("/batch/job7", "-1\n");
        assert_eq!(tree.groups().cpu_quota(), None);
        write("/batch", "400000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(4));
        write("/batch/job7", "150000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(2));
        write("/batch", "10000\n");
        assert_eq!(tree.groups().cpu_quota(), Some(1), "rounded up to one core");
    }

    #[test]
    fn finds_groups_of_a_container_below_the_mounted_root() {
        let mounts = "\
40 30 0:27 /docker/a10 /elsewhere ro - cgroup cgroup rw,cpu
41 30 0:27 /docker/a1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu
42 30 0:28 /docker/a1 /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let tree = Tree::new("docker", "3:cpu:/docker/a1/inner\n0::/docker/a1/inner\n", mounts);
        let below = |path: &str| tree.0.join(path);
        let groups = tree.groups();
        let folders: Vec<PathBuf> = groups.directories(Version::One, "cpu").collect();
        assert_eq!(folders, [below("sys/fs/cgroup/cpu/inner"), below("sys/fs/cgroup/cpu/")]);
        assert_eq!(groups.directory(Version::Two, "memory"), Some(below("sys/fs/cgroup/unified/inner")));
        tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000");
        tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
        assert_eq!(tree.groups().cpu_quota(), Some(2));
    }

    #[test]
    fn ignores_malformed_files() {
        let tree = Tree::new("nonsense", "nonsense\n0::/x\n:::::\n", "nonsense\n1 2 - cgroup2\n - \n");
        assert_eq!((tree.groups().cpu_quota(), tree.groups().directory(Version::Two, "cpu")), (None, None));
        let tree = Tree::new("zero", "0::/\n", MOUNTS_2);
        for text in ["0 0", "100000 0", "100000", "", "-5 100000", "99999999999999999999 1"] {
            tree.write("sys/fs/cgroup/cpu.max", text);
            assert_eq!(tree.groups().cpu_quota(), None, "{text}");
        }
    }
}
