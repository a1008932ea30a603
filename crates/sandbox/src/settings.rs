//! What a user asks for.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// How much a sandbox restricts, and what happens where the kernel lacks a part of it.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::SandboxLevel;
///
/// assert_eq!("best-effort".parse(), Ok(SandboxLevel::BestEffort));
/// assert_eq!(SandboxLevel::Strict.to_string(), "strict");
/// assert!("on".parse::<SandboxLevel>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// No restrictions.
    #[default]
    Off,
    /// What is forbidden fails with an error. Parts that the kernel lacks are left out and reported.
    BestEffort,
    /// A system call that is not known to be needed kills the process. A kernel that lacks a part is an
    /// error.
    Strict,
}

/// Levels and their names.
const NAMES: [(Level, &str); 3] =
    [(Level::Off, "off"), (Level::BestEffort, "best-effort"), (Level::Strict, "strict")];

impl Level {
    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(level, _)| *level == self).map_or("off", |(_, name)| name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(level, _)| *level).ok_or_else(|| "expected `off`, `best-effort` or `strict`".to_owned())
    }
}

/// What is restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A worker process that only computes.
    Worker,
    /// A program that a worker runs. It may read and execute all files, and start processes.
    Program,
}

/// Restrictions of the workers of a pool, for jobs that only compute: no files, no network, no other
/// processes. Applied by each worker after its state is created, and before its first job.
///
/// The state of a worker is created without restrictions, so it can load what jobs need; what it has opened
/// stays open. If it starts threads, kernels before Linux 7.0 do not restrict which files these open: with
/// [`strict`](Sandbox::strict) the worker then fails to start. A job cannot build a process pool.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::settings::{Sandbox, SandboxLevel};
///
/// let sandbox = Sandbox::compute().read("/usr/share/dict").strict();
/// assert_eq!(sandbox.level(), SandboxLevel::Strict);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    level: Level,
    // Not paths, which can only be serialized if they are UTF-8.
    read: Vec<OsString>,
    write: Vec<OsString>,
    net: bool,
}

impl Sandbox {
    /// Returns a sandbox without restrictions: the default of a pool.
    #[must_use]
    pub fn off() -> Sandbox {
        Sandbox::default()
    }

    /// Returns a sandbox for jobs that only compute, at the level [`BestEffort`](Level::BestEffort).
    #[must_use]
    pub fn compute() -> Sandbox {
        Sandbox::off().with_level(Level::BestEffort)
    }

    /// Raises the level to [`Strict`](Level::Strict).
    #[must_use]
    pub fn strict(self) -> Sandbox {
        self.with_level(Level::Strict)
    }

    /// Sets the level.
    #[must_use]
    pub fn with_level(self, level: Level) -> Sandbox {
        Sandbox { level, ..self }
    }

    /// Allows reading a file, or all files below a directory. The path must exist when a worker starts.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Sandbox {
        self.read.push(path.into().into_os_string());
        self
    }

    /// Allows reading and writing a file, or reading, writing, creating and removing files below a
    /// directory. The path must exist when a worker starts. Permissions, owners and times of files cannot be
    /// changed.
    #[must_use]
    pub fn write(mut self, path: impl Into<PathBuf>) -> Sandbox {
        self.write.push(path.into().into_os_string());
        self
    }

    /// Allows sockets of all kinds, to all addresses.
    #[must_use]
    pub fn net(mut self) -> Sandbox {
        self.net = true;
        self
    }

    /// Returns the level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns true if nothing is restricted.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.level == Level::Off
    }

    /// Paths that may be read.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Path> {
        self.read.iter().map(Path::new)
    }

    /// Paths that may be read and written.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &Path> {
        self.write.iter().map(Path::new)
    }

    /// Whether there are paths that may be written.
    pub(crate) fn allows_writing(&self) -> bool {
        !self.write.is_empty()
    }

    /// Whether sockets are allowed.
    pub(crate) fn allows_net(&self) -> bool {
        self.net
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_levels_round_trip() {
        for (level, name) in NAMES {
            assert_eq!(level.to_string(), name);
            assert_eq!(name.parse(), Ok(level));
        }
    }

    #[test]
    fn settings_are_kept() {
        let sandbox = Sandbox::compute().read("/a").write("/b").net().strict();
        assert_eq!(sandbox.level(), Level::Strict);
        assert_eq!(sandbox.readable().collect::<Vec<_>>(), [Path::new("/a")]);
        assert_eq!(sandbox.writable().collect::<Vec<_>>(), [Path::new("/b")]);
        assert!(sandbox.allows_net() && sandbox.allows_writing() && !sandbox.is_off());
        assert!(Sandbox::off().is_off());
    }
}
