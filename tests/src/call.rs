//! Builder for invocations of `runner` and other programs.

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

/// An invocation of a program that has not been started yet.
pub struct Call {
    command: Command,
    mark: String,
    stdin: Option<Vec<u8>>,
}

/// Returns an invocation of `runner` with these arguments, to be [run](Call::run) or [started](Call::start).
pub fn runner<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Call {
    Call::new(&program("runner"), arguments)
}

/// Returns an invocation of `runner` as the first process of a PID namespace with its own `/proc`; `None`
/// where such a namespace cannot be created. The child process is `unshare`, which exits with the status of
/// the first process.
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
    /// Creates an invocation of any program.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(program: &Path, arguments: I) -> Call {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(program);
        command.args(arguments).env(MARK, &mark).env_remove("RUST_BACKTRACE");
        // A local run must not depend on the environment of the test run.
        command.env_remove("RUNNER_CLUSTER").env_remove("RUNNER_QUEUE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        reset_signals(&mut command);
        Call { command, mark, stdin: None }
    }

    /// Sets the content of standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Call {
        self.stdin = Some(bytes.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Changes anything else about the command.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command) -> &mut Command) -> Call {
        change(&mut self.command);
        self
    }

    /// Limits the number of open file descriptors.
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

    /// Sets the soft and the hard limit of the address space, in bytes.
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

    /// Limits the size of files that it writes, in bytes, as `ulimit -f` does.
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

    /// Starts the program with this signal ignored.
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

    /// Runs the program until it exits.
    #[must_use]
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Starts the program and reads its output in the background.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let mut running = Running::start(&mut self.command, self.mark);
        if let (Some(mut pipe), Some(bytes)) = (running.child.stdin.take(), self.stdin) {
            // A program may exit before it has read everything.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        running.read_output();
        running
    }

    /// Starts the program and leaves its streams to the caller.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_raw(mut self) -> Running {
        Running::start(&mut self.command, self.mark)
    }

    /// Starts the program, writes its standard input and leaves its output to the caller; discards standard
    /// error.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_with_input(self) -> Running {
        self.start_with_input_and_stderr(Stdio::null())
    }

    /// Like [`start_with_input`](Call::start_with_input), with standard error redirected.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_with_input_and_stderr(mut self, stderr: Stdio) -> Running {
        let input = self.stdin.take().unwrap_or_default();
        self.command.stderr(stderr);
        let mut running = self.start_raw();
        let mut pipe = running.child.stdin.take();
        thread::spawn(move || pipe.as_mut().map(|pipe| pipe.write_all(&input)));
        running
    }
}

/// Resets the dispositions of SIGINT, SIGQUIT and SIGHUP. Shells without job control start background
/// programs with SIGINT ignored, `nohup` with SIGHUP ignored, and the tests would pass that on to their
/// children.
fn reset_signals(command: &mut Command) {
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
