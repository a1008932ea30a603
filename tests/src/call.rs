//! A call of `runner`, or of another program, being put together.

use std::{
    ffi::OsStr,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    Output, program,
    running::{MARK, Running},
};

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

/// `runner` with these arguments as the first process of a PID namespace with its own `/proc`; `None` where none may be made.
/// The process of the call is `unshare`'s, which exits as the first process does.
#[must_use]
pub fn runner_as_init(arguments: &[&str]) -> Option<Call> {
    let flags: [&[&str]; 2] = [&["-pf", "--mount-proc"], &["-Urpf", "--mount-proc"]];
    let may = |flags: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**flags).arg("true").stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let flags = flags.iter().find(may)?;
    let runner = program("runner");
    let call = Call::new(Path::new("unshare"), flags.iter().copied());
    Some(call.with(|command| command.arg(runner).args(arguments)))
}

impl Call {
    /// Any program with these arguments.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: &Path, arguments: I) -> Call {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(program);
        command.args(arguments).env(MARK, &mark).env_remove("RUST_BACKTRACE");
        // What a test means by a local run does not depend on who runs the test.
        command.env_remove("RUNNER_CLUSTER").env_remove("RUNNER_QUEUE");
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

    /// Limits its address space: a soft and a hard limit.
    #[must_use]
    pub fn address_space(mut self, soft: u64, hard: u64) -> Call {
        let limits = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: setting a limit is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            self.command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &raw const limits) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        self
    }

    /// Lets it write files of so many bytes only, as `ulimit -f` does.
    #[must_use]
    pub fn file_size(mut self, limit: u64) -> Call {
        let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: setting a limit is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            self.command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limits) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        self
    }

    /// Has it start with this signal ignored.
    #[must_use]
    pub fn ignoring(mut self, signal: Signal) -> Call {
        // SAFETY: setting a disposition is one system call, which is safe between fork and exec.
        #[allow(unsafe_code)]
        unsafe {
            self.command.pre_exec(move || {
                libc::signal(signal as i32, libc::SIG_IGN);
                Ok(())
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
        let mut running = Running::start(&mut self.command, self.mark);
        if let (Some(mut pipe), Some(bytes)) = (running.child.stdin.take(), self.stdin) {
            // A program may end before it has read everything.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        running.read_output();
        running
    }

    /// Starts it with its streams left to the caller.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_bare(mut self) -> Running {
        Running::start(&mut self.command, self.mark)
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
