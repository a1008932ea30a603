//! What the tests need around a run: a machine with a made-up load, jobs that wait, and standard error as it
//! grows.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use end_to_end::{Call, Running, shell_jobs};
use tempfile::TempDir;

/// A folder for the files of a test.
pub(crate) struct Stage(TempDir);

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that no reader sees in part.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let temporary = self.path("temporary");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, path).unwrap();
    }

    /// Root of the file tree of a machine without load, for `--system-root`.
    pub(crate) fn machine(&self) -> String {
        self.set_runnable(0);
        self.write("proc/stat", "cpu  1 1\ncpu0 1 1\ncpu1 1 1\n");
        self.0.path().to_str().unwrap().to_owned()
    }

    /// Sets the number of runnable threads of the machine.
    pub(crate) fn set_runnable(&self, threads: u32) {
        self.write("proc/loadavg", &format!("0.00 0.00 0.00 {threads}/500 1234\n"));
    }

    /// Sets the number of runnable threads of a process.
    pub(crate) fn set_runnable_of(&self, pid: i32, threads: i32) {
        for thread in pid..pid + threads {
            self.write(&format!("proc/{pid}/task/{thread}/stat"), &format!("{thread} (runner) R 1 1\n"));
        }
    }

    /// Sets the available memory of the machine in MiB.
    pub(crate) fn set_available(&self, mebibytes: u64) {
        self.write("proc/meminfo", &format!("MemTotal: 9 kB\nMemAvailable: {} kB\n", mebibytes << 10));
    }

    /// A `command` job with this id that ends successfully when [`open`](Stage::open) is called.
    pub(crate) fn waiting_job(&self, id: &str) -> String {
        let script = format!("until [ -e {} ]; do sleep 0.01; done", self.path("open").display());
        shell_jobs(&[&script]).trim_end().replacen('{', &format!("{{\"id\":{id:?},"), 1) + "\n"
    }

    /// Ends the waiting jobs.
    pub(crate) fn open(&self) {
        fs::write(self.path("open"), "").unwrap();
    }

    /// Starts a run whose standard error is a file.
    pub(crate) fn start(&self, call: Call) -> Running {
        let stderr = File::create(self.path("stderr")).unwrap();
        call.with(|c| c.stderr(stderr)).start()
    }

    /// What the run has written to standard error.
    pub(crate) fn stderr(&self) -> String {
        read(&self.path("stderr"))
    }

    /// Waits until the run has written this text to standard error.
    pub(crate) fn wait_for(&self, run: &mut Running, text: &str) {
        run.wait_until(&format!("{text:?} is on standard error"), |_| self.stderr().contains(text));
    }
}

/// The content of a file; empty if there is none.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
