//! What the end-to-end tests share: starting `runner` under a hard cap, and proof that nothing of it stays behind.

pub mod answer;
pub mod blob;
mod case;
pub mod counter;
mod deeds;
pub mod fault;
mod jobs;
mod kept;
pub mod nest;
mod output;
pub mod probe;
pub mod rogue;
pub mod stateful;
pub mod tally;
pub mod trap;
pub mod workers;

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use case::Case;
pub use jobs::{KILL_WORKER, gcd_jobs, shell_jobs};
pub use kept::{Kept, Logged};
pub use output::Output;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A test that takes longer than this has hung.
const HARD_CAP: Duration = Duration::from_secs(100);

/// The variable that marks all processes of one call.
const MARK: &str = "RUNNER_TEST_MARK";

/// A program of this workspace, built before the tests: `scripts/test` does it, or `cargo build --workspace --bins
/// --examples`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    // Tests lie in target/PROFILE/deps, other programs in target/PROFILE.
    let folder =
        test.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("a file lies in a folder");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --workspace --bins --examples` first",
        program.display()
    );
    program
}

/// An example of the library, built before the tests like the [programs](program).
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    program(&format!("examples/{name}"))
}

/// A file of `tests/data`.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// The bytes of a file of `tests/data`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn data_bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).expect("test data are readable")
}

/// One call of `runner`, being put together.
pub struct Call {
    command: Command,
    mark: String,
    stdin: Option<Vec<u8>>,
}

/// `runner` with these arguments, to be run to its end or [started](Call::start).
pub fn runner<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Call {
    Call::new(&program("runner"), arguments)
}

impl Call {
    /// Any program with these arguments.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: &Path, arguments: I) -> Call {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(program);
        command.args(arguments).env(MARK, &mark).env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        heed_interrupts(&mut command);
        Call { command, mark, stdin: None }
    }

    /// Feeds standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Call {
        self.stdin = Some(bytes.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Changes anything else about the call.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> Call {
        change(&mut self.command);
        self
    }

    /// Leaves it so many file descriptors.
    #[must_use]
    pub fn descriptors(mut self, limit: u64) -> Call {
        let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: setting a limit is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            self.command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        self
    }

    /// Lets it write files of so many bytes only: what it writes beyond that fails, as on a full disk.
    #[must_use]
    pub fn file_size(mut self, limit: u64) -> Call {
        let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: both are single system calls, which are safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            self.command.pre_exec(move || {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limits) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        self
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let start = Instant::now();
        let mut child = self.command.spawn().expect("the program can be started");
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin) {
            // A program may end before it has read everything.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let stdout = child.stdout.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
        let stderr = child.stderr.take().map(|mut pipe| thread::spawn(move || read_all(&mut pipe)));
        Running { child, mark: self.mark, start, stdout, stderr }
    }

    /// Starts it with its streams left to the caller.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_bare(mut self) -> Running {
        let start = Instant::now();
        let child = self.command.spawn().expect("the program can be started");
        Running { child, mark: self.mark, start, stdout: None, stderr: None }
    }

    /// Starts it and feeds it, with its output left to the caller; what it says on standard error is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_bare_fed(self) -> Running {
        self.start_bare_fed_telling(Stdio::null())
    }

    /// The same, with standard error sent somewhere.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_bare_fed_telling(mut self, stderr: Stdio) -> Running {
        let input = self.stdin.take().unwrap_or_default();
        self.command.stderr(stderr);
        let mut running = self.start_bare();
        let mut pipe = running.child.stdin.take();
        thread::spawn(move || pipe.as_mut().map(|pipe| pipe.write_all(&input)));
        running
    }
}

/// Shells without job control have what they start in the background ignore interrupts, and `nohup` hang-ups, these tests
/// included; what the tests start does not.
fn heed_interrupts(command: &mut Command) {
    // SAFETY: setting a disposition is one system call, which is safe between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

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

    /// Whether a signal has been sent to it that it has not taken.
    #[must_use]
    pub fn has_pending_signals(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("ShdPnd:")).unwrap_or_default();
        line.trim_start_matches("ShdPnd:").trim().chars().any(|digit| digit != '0')
    }

    /// The numbers of its workers that are alive.
    #[must_use]
    pub fn workers(&self) -> Vec<i32> {
        let is_worker = |pid: &i32| {
            // A guard is a copy of its worker.
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let path = format!("/proc/{pid}/cmdline");
            name.trim() != "runner-guard"
                && fs::read(path).is_ok_and(|line| line.windows(15).any(|part| part == b"__runner-worker"))
        };
        marked(&self.mark).into_iter().filter(is_worker).collect()
    }

    /// The numbers of the programs of this name that its jobs have started.
    #[must_use]
    pub fn programs(&self, name: &str) -> Vec<i32> {
        let is_called =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        marked(&self.mark).into_iter().filter(is_called).collect()
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
                for pid in marked(&self.mark) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
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

/// What `runner` draws on a terminal as its standard error.
///
/// # Panics
/// When there is no terminal to be had.
#[must_use]
pub fn terminal(arguments: &[&str], input: &str) -> String {
    let terminal = nix::pty::openpty(None, None).expect("a terminal can be made");
    let mut screen = fs::File::from(terminal.master);
    let call = runner(arguments).stdin(input);
    let running = call.with(|c| c.stderr(fs::File::from(terminal.slave))).start();
    let reading = thread::spawn(move || {
        let mut drawn = Vec::new();
        let mut chunk = [0; 4096];
        // The terminal ends with an error when the last process has closed it.
        while let Ok(count @ 1..) = screen.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        drawn
    });
    let output = running.wait();
    assert_eq!(output.code(), 0);
    String::from_utf8_lossy(&reading.join().expect("reading goes on")).into_owned()
}
