//! A test of the library: alone in its process while it runs, under a hard cap, and leaving nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

/// A test that takes longer than this has hung, and takes the whole binary with it.
const HARD_CAP: Duration = Duration::from_secs(60);

/// What a test leaves to others to end must have ended after this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tests of one binary share a process, so what is left can be told to be a test's only if it runs alone.
static ALONE: Mutex<()> = Mutex::new(());

/// One test, from its first line to its end: dropped last, it proves that no worker, zombie, thread or descriptor of
/// the library is left.
pub struct Case {
    descriptors: BTreeSet<String>,
    /// Dropped at the end, which the watchdog notices.
    _running: Sender<()>,
    _alone: MutexGuard<'static, ()>,
}

impl Case {
    /// The first line of a test; the value has to live until its end.
    ///
    /// # Panics
    /// When no thread can be had to watch over the time.
    #[must_use]
    pub fn begin() -> Case {
        let alone = ALONE.lock();
        let (running, ends) = channel();
        let name = thread::current().name().unwrap_or("a test").to_owned();
        let watchdog = thread::Builder::new().name("watchdog".into()).spawn(move || {
            if ends.recv_timeout(HARD_CAP) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name} hung: no end after {HARD_CAP:?}");
                std::process::abort();
            }
        });
        watchdog.expect("a thread can be started");
        Case { descriptors: descriptors(), _running: running, _alone: alone }
    }

    /// What is left of the test; empty if nothing is.
    fn left(&self) -> Vec<String> {
        let opened = descriptors().difference(&self.descriptors).cloned().collect::<Vec<_>>();
        [children(), threads(), opened].concat()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let start = Instant::now();
        while !self.left().is_empty() {
            assert!(start.elapsed() < PATIENCE, "left behind: {:?}", self.left());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The children of this process, zombies included.
fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is there").flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| format!("process {pid}")).collect::<Vec<_>>())
        .collect()
}

/// The library's threads in this process.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is there").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("runner-")).map(|name| format!("thread {}", name.trim())).collect()
}

/// The descriptors of this process, with what they lead to.
fn descriptors() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").expect("/proc is there").flatten();
    let named = open.filter_map(|entry| {
        // The listing's own descriptor is gone by now.
        let target = fs::read_link(entry.path()).ok()?;
        Some(format!("descriptor {} to {}", entry.file_name().display(), target.display()))
    });
    named.filter(|line| !line.contains("/proc/") || !line.ends_with("/fd")).collect()
}
