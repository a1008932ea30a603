//! A call under way: looking at it, and waiting for its end under a hard cap, with proof that nothing of it stays behind.

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

/// A test that takes longer than this has hung.
const HARD_CAP: Duration = Duration::from_secs(100);

/// The variable that marks all processes of one call.
pub(crate) const MARK: &str = "RUNNER_TEST_MARK";

type Reading = Option<thread::JoinHandle<Vec<u8>>>;

/// A call under way.
pub struct Running {
    /// The process.
    pub child: Child,
    mark: String,
    start: Instant,
    stdout: Reading,
    stderr: Reading,
}

impl Running {
    /// Starts a call and leaves its streams to the caller.
    pub(crate) fn start(command: &mut Command, mark: String) -> Running {
        let start = Instant::now();
        let child = command.spawn().expect("the program can be started");
        Running { child, mark, start, stdout: None, stderr: None }
    }

    /// Reads from now on what it writes, for its [`Output`].
    pub(crate) fn read_output(&mut self) {
        self.stdout = self.child.stdout.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
        self.stderr = self.child.stderr.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the program is there");
    }

    /// Sends it SIGINT and, if that does not end it, SIGTERM.
    ///
    /// # Panics
    /// When it does not take the first one.
    pub fn signal_twice(&mut self) {
        self.signal(Signal::SIGINT);
        let mut has_ended = false;
        self.until("the signal has been taken", |run| {
            has_ended = run.child.try_wait().expect("the program is our child").is_some();
            has_ended || !run.has_pending_signals()
        });
        if !has_ended {
            self.signal(Signal::SIGTERM);
        }
    }

    /// Whether a signal has been sent to it that it has not taken.
    #[must_use]
    pub fn has_pending_signals(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("ShdPnd:")).unwrap_or_default();
        line.trim_start_matches("ShdPnd:").trim().chars().any(|digit| digit != '0')
    }

    /// Whether one of its threads waits for room in a pipe.
    #[must_use]
    pub fn is_writing_to_a_pipe(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("wchan")).ok())
            .any(|place| place.contains("pipe_write"))
    }

    /// The numbers of its workers that are alive.
    #[must_use]
    pub fn workers(&self) -> Vec<i32> {
        marked(&self.mark).into_iter().filter(|&pid| workers::is_worker(pid.unsigned_abs().into())).collect()
    }

    /// The numbers of the programs of this name that its jobs have started.
    #[must_use]
    pub fn programs(&self, name: &str) -> Vec<i32> {
        let is_called =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        marked(&self.mark).into_iter().filter(is_called).collect()
    }

    /// The numbers of a process's children, those that have ended and are not reaped included.
    #[must_use]
    pub fn children(&self, pid: i32) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let numbers =
            |list: String| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>();
        lists.flat_map(numbers).collect()
    }

    /// The letter by which the system names what one of its processes is doing.
    #[must_use]
    pub fn state(&self, pid: i32) -> Option<char> {
        workers::run_state(u64::try_from(pid).ok()?)
    }

    /// The most memory that it has used so far, in KiB; 0 when it is gone.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Reads all of its output while watching its memory: the output, and the peak in KiB.
    ///
    /// # Panics
    /// When its output is not left to the caller.
    #[must_use]
    pub fn read_watching_memory(&mut self) -> (Vec<u8>, u64) {
        let mut stdout = self.child.stdout.take().expect("the output is piped");
        let (mut output, mut chunk, mut peak) = (Vec::new(), vec![0; 1 << 16], 0);
        loop {
            // Looked at before each read, because it is gone with the process.
            peak = peak.max(self.peak_memory());
            match stdout.read(&mut chunk).expect("the output can be read") {
                0 => return (output, peak),
                count => output.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Waits until something is true of it.
    ///
    /// # Panics
    /// When it does not become true in time.
    pub fn until(&mut self, what: &str, mut is_true: impl FnMut(&mut Running) -> bool) {
        let start = Instant::now();
        while !is_true(self) {
            assert!(start.elapsed() < HARD_CAP, "waited in vain until {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it stands still: until it has used no processor time for a while.
    ///
    /// # Panics
    /// When it goes on and on.
    pub fn until_it_stands_still(&mut self) {
        let (mut last, mut since) = (None, Instant::now());
        self.until("it stands still", |run| {
            let used = run.processor_time();
            if last != Some(used) {
                (last, since) = (Some(used), Instant::now());
            }
            since.elapsed() > Duration::from_millis(300)
        });
    }

    /// The processor time that it has used, in ticks of the system's clock.
    fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<u64> =
            after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0)
    }

    /// The numbers of all its processes that are alive: its own, its workers', and those of what they have started.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        marked(&self.mark)
    }

    /// Waits for its end, and proves that nothing of it is left.
    ///
    /// # Panics
    /// When it does not end in time, or leaves processes behind.
    #[must_use]
    pub fn wait(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the program is our child") {
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
            reading.map_or_else(Vec::new, |thread| thread.join().expect("reading goes on"))
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

/// A test that fails, or forgets, leaves nothing behind.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill_all();
            // Its mark is not there before its program is.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// All living processes that carry this mark in their environment, zombies excluded.
fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
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
