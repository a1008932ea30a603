//! A running program: inspects it, waits for its exit with a hard time limit, and checks that no process of
//! it is left.

use std::{
    fs,
    io::Read,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Output, workers};

/// Time after which a program counts as hung.
const HARD_CAP: Duration = Duration::from_secs(100);

/// Environment variable that marks all processes of one invocation.
pub(crate) const MARK: &str = "RUNNER_TEST_MARK";

type Reading = Option<thread::JoinHandle<Vec<u8>>>;

/// A running program.
pub struct Running {
    /// The process.
    pub child: Child,
    mark: String,
    start: Instant,
    stdout: Reading,
    stderr: Reading,
}

impl Running {
    /// Starts the program and leaves its streams to the caller.
    pub(crate) fn start(command: &mut Command, mark: String) -> Running {
        let start = Instant::now();
        let child = command.spawn().expect("cannot start the program");
        Running { child, mark, start, stdout: None, stderr: None }
    }

    /// Starts threads that read its output for [`Output`].
    pub(crate) fn read_output(&mut self) {
        self.stdout = self.child.stdout.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
        self.stderr = self.child.stderr.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends a signal to the program.
    ///
    /// # Panics
    /// If it has exited and was reaped.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the program has exited");
    }

    /// Sends SIGINT and, unless the program exits by it, SIGTERM as soon as SIGINT is handled.
    ///
    /// # Panics
    /// If it does not handle SIGINT in time.
    pub fn signal_twice(&mut self) {
        self.signal(Signal::SIGINT);
        let mut has_ended = false;
        self.wait_until("the signal is handled", |run| {
            has_ended = run.child.try_wait().expect("cannot wait for the program").is_some();
            has_ended || !run.has_pending_signals()
        });
        if !has_ended {
            self.signal(Signal::SIGTERM);
        }
    }

    /// Returns whether a signal is pending that was sent to the process.
    #[must_use]
    pub fn has_pending_signals(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("ShdPnd:")).unwrap_or_default();
        line.trim_start_matches("ShdPnd:").trim().chars().any(|digit| digit != '0')
    }

    /// Returns whether one of its threads is blocked on writing to a pipe.
    #[must_use]
    pub fn is_writing_to_a_pipe(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("wchan")).ok())
            .any(|place| place.contains("pipe_write"))
    }

    /// Returns the process ids of its live workers.
    #[must_use]
    pub fn workers(&self) -> Vec<i32> {
        marked(&self.mark).into_iter().filter(|&pid| workers::is_worker(pid.unsigned_abs().into())).collect()
    }

    /// Returns the process ids of programs with this name that its jobs have started.
    #[must_use]
    pub fn programs(&self, name: &str) -> Vec<i32> {
        let is_called =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        marked(&self.mark).into_iter().filter(is_called).collect()
    }

    /// Returns the process ids of the children of a process, zombies included.
    #[must_use]
    pub fn children(&self, pid: i32) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let numbers =
            |list: String| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>();
        lists.flat_map(numbers).collect()
    }

    /// Returns the state letter of a process from `/proc/PID/stat`.
    #[must_use]
    pub fn state(&self, pid: i32) -> Option<char> {
        workers::run_state(u64::try_from(pid).ok()?)
    }

    /// Returns its peak resident memory in KiB; 0 after its exit.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Reads all of its output and returns it with the peak memory in KiB.
    ///
    /// # Panics
    /// If its output is not left to the caller.
    #[must_use]
    pub fn read_watching_memory(&mut self) -> (Vec<u8>, u64) {
        let mut stdout = self.child.stdout.take().expect("the output is not piped");
        let (mut output, mut chunk, mut peak) = (Vec::new(), vec![0; 1 << 16], 0);
        loop {
            // Sampled before each read, because it cannot be read after the exit.
            peak = peak.max(self.peak_memory());
            match stdout.read(&mut chunk).expect("cannot read the output") {
                0 => return (output, peak),
                count => output.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// On a timeout.
    pub fn wait_until(&mut self, what: &str, mut is_true: impl FnMut(&mut Running) -> bool) {
        let start = Instant::now();
        while !is_true(self) {
            assert!(start.elapsed() < HARD_CAP, "timed out waiting until {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the program has used no processor time for 300 ms.
    ///
    /// # Panics
    /// On a timeout.
    pub fn wait_until_idle(&mut self) {
        let (mut last, mut since) = (None, Instant::now());
        self.wait_until("it is idle", |run| {
            let used = run.processor_time();
            if last != Some(used) {
                (last, since) = (Some(used), Instant::now());
            }
            since.elapsed() > Duration::from_millis(300)
        });
    }

    /// Returns the processor time that it has used, in clock ticks.
    fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<u64> =
            after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0)
    }

    /// Returns the process ids of the program, its workers and all programs that they have started.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        marked(&self.mark)
    }

    /// Waits for the exit and checks that no process is left.
    ///
    /// # Panics
    /// If it does not exit in time, panics, or leaves processes behind.
    #[must_use]
    pub fn wait(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("cannot wait for the program") {
                break status;
            }
            if self.start.elapsed() > HARD_CAP {
                self.kill_all();
                panic!("hung: killed after {HARD_CAP:?}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        let elapsed = self.start.elapsed();
        self.expect_nothing_left();
        let read = |reading: Reading| {
            reading.map_or_else(Vec::new, |thread| thread.join().expect("the reading thread panicked"))
        };
        let (stdout, stderr) = (read(self.stdout.take()), read(self.stderr.take()));
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert!(!stderr.contains("panicked at"), "a panic: {stderr}");
        Output { status, stdout, stderr, elapsed }
    }

    fn kill_all(&self) {
        for pid in marked(&self.mark) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn expect_nothing_left(&self) {
        let start = Instant::now();
        loop {
            let left = marked(&self.mark);
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(1), "processes are left behind: {left:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Kills all processes if a test fails or does not wait.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill_all();
            // The mark is not visible before `exec`.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Returns the ids of all processes with this mark in their environment, zombies excluded.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let processes = fs::read_dir("/proc").expect("cannot read /proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .collect()
}

fn read_all(pipe: &mut dyn Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    bytes
}
