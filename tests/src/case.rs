//! Guard for tests of the library: one test at a time in a process, with a hard time limit and a check for
//! leaks.

use std::{
    collections::BTreeSet,
    fs,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

/// Time after which a test counts as hung and the process is aborted.
const HARD_CAP: Duration = Duration::from_secs(60);

/// Time for processes and threads that a test does not wait for.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Held by the running test. Tests of one binary share a process, so leaks can only be attributed to a test
/// that runs alone.
static ALONE: Mutex<()> = Mutex::new(());

/// Guard of one test. When it is dropped, it checks that no worker, zombie, thread or descriptor of the
/// library is left.
pub struct Case {
    descriptors: BTreeSet<String>,
    /// Disconnects when it is dropped, which stops the watchdog.
    _running: Sender<()>,
    _alone: MutexGuard<'static, ()>,
}

impl Case {
    /// Starts a test; the value has to live until the end of the test.
    ///
    /// # Panics
    /// If the watchdog thread cannot be started.
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
        watchdog.expect("cannot start the watchdog");
        Case { descriptors: descriptors(), _running: running, _alone: alone }
    }

    /// Returns what the test has leaked so far.
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
            assert!(start.elapsed() < CLEANUP_TIMEOUT, "left behind: {:?}", self.left());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns the children of this process, zombies included.
fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("cannot read /proc").flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| format!("process {pid}")).collect::<Vec<_>>())
        .collect()
}

/// Returns the library's threads in this process.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("cannot read /proc").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("runner-")).map(|name| format!("thread {}", name.trim())).collect()
}

/// Returns the open descriptors of this process and their targets.
fn descriptors() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").expect("cannot read /proc").flatten();
    let named = open.filter_map(|entry| {
        // The descriptor of the listing itself is closed by now.
        let target = fs::read_link(entry.path()).ok()?;
        Some(format!("descriptor {} to {}", entry.file_name().display(), target.display()))
    });
    named.filter(|line| !line.contains("/proc/") || !line.ends_with("/fd")).collect()
}
