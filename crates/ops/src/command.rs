//! Running a program.

mod capture;
mod exchange;

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    process::{self, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use serde::{Deserialize, Serialize};
use sys::program::{End, Program, is_lack};

use self::exchange::{Ended, Exchange};
use crate::BuiltinError;

/// The pause after the first failed start; it doubles up to [`LAST_PAUSE`], all together 5 seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(2560);

/// Variables with which `runner` is told a secret of its own. Programs that jobs start do not inherit them, in whatever way
/// the jobs are run; a job that sets one in its `env` means it.
pub const SECRETS: [&str; 2] = ["RUNNER_CLUSTER_PASSWORD", "RUNNER_CLUSTER_TOKEN"];

/// A program to run, without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads on standard input; nothing if missing.
    pub stdin: Option<String>,
    /// Variables added to the environment.
    pub env: BTreeMap<String, String>,
    /// The folder to run it in.
    pub cwd: Option<String>,
}

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The name of the signal that ended it, if one did.
    pub signal: Option<String>,
    /// What it wrote to standard output; bytes that are not UTF-8 are replaced by U+FFFD.
    pub stdout: String,
    /// What it wrote to standard error, likewise.
    pub stderr: String,
    /// Whether either stream was longer than what was kept.
    pub truncated: bool,
}

/// Runs the program to its end and keeps the first `max_output` bytes of each output stream.
///
/// What it leaves running ends with this process; see [`sys::program`].
pub(crate) fn run(job: &Command, max_output: u64) -> Result<CommandOutput, BuiltinError> {
    let program = start(job)?;
    // A worker that is asked to end waits for its program, which was asked too and may want to clean up.
    let _patience = Patience::new();
    let exchange = Exchange::new(program, job.stdin.as_deref().unwrap_or_default().as_bytes(), max_output);
    let Ok(Ended { end, stdout, stderr }) = exchange.run() else {
        // The program is dead; to have no memory is what it is everywhere else.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>())
    };
    let status = match end {
        End::Program(status) => status,
        End::Guard(status) => {
            return Err(BuiltinError::CommandLost { program: job.name(), reason: status.to_string() });
        }
    };
    let ((stdout, stdout_truncated), (stderr, stderr_truncated)) = (stdout.finish(), stderr.finish());
    Ok(CommandOutput {
        exit_code: status.code(),
        signal: status.signal().map(sys::signal::name),
        stdout,
        stderr,
        truncated: stdout_truncated || stderr_truncated,
    })
}

/// Starts the program. A lack of processes, memory or descriptors may pass, so it is tried again for some seconds.
fn start(job: &Command) -> Result<Program, BuiltinError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match Program::spawn(job.to_start()) {
            Ok(program) => return Ok(program),
            Err(error) if is_lack(&error) && pause <= LAST_PAUSE => thread::sleep(pause),
            Err(error) if is_lack(&error) => {
                let reason = format!("processes, memory or descriptors are lacking: {error}");
                return Err(BuiltinError::CommandNotRun { program: job.name(), reason });
            }
            Err(error) => {
                return Err(BuiltinError::CommandNotRun { program: job.name(), reason: error.to_string() });
            }
        }
        pause *= 2;
    }
}

impl Command {
    fn name(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }

    fn to_start(&self) -> process::Command {
        let mut command = process::Command::new(self.name());
        command.args(self.argv.iter().skip(1));
        for secret in SECRETS {
            command.env_remove(secret);
        }
        command.envs(&self.env);
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.cwd {
            command.current_dir(folder);
        }
        sys::signal::restore_file_size_signal(&mut command);
        command
    }
}

/// While it lives, this thread does not end by SIGTERM.
struct Patience(Option<SigSet>);

impl Patience {
    fn new() -> Patience {
        Patience(SigSet::from(Signal::SIGTERM).thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, stdin: Option<&str>) -> CommandOutput {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        run(&Command { argv, stdin: stdin.map(str::to_owned), ..Command::default() }, 10).unwrap()
    }

    #[test]
    fn streams_and_status_are_reported() {
        let output = sh("cat; printf 'a\\377' >&2; exit 3", Some("in"));
        assert_eq!(output.stdout, "in");
        assert_eq!(output.stderr, "a\u{fffd}");
        assert_eq!((output.exit_code, output.signal, output.truncated), (Some(3), None, false));
    }

    #[test]
    fn a_signal_is_named() {
        let output = sh("kill -SEGV $$", None);
        assert_eq!((output.exit_code, output.signal.as_deref()), (None, Some("SIGSEGV")));
    }

    #[test]
    fn long_output_is_cut_and_does_not_block_the_program() {
        let output = sh("yes | head -c 1000000; exit 0", None);
        assert_eq!((output.stdout.len(), output.exit_code, output.truncated), (10, Some(0), true));
    }

    #[test]
    fn what_is_left_holding_the_output_is_not_waited_for() {
        let output = sh("sleep 1000 & (sleep 1000 >&2) & echo up; exit 4", None);
        assert_eq!((output.stdout.as_str(), output.exit_code, output.truncated), ("up\n", Some(4), false));
    }

    #[test]
    fn what_is_left_writing_is_not_read_for_ever() {
        let output = sh("yes & exit 0", None);
        assert_eq!(output.exit_code, Some(0));
    }

    #[test]
    fn unread_input_is_no_error() {
        let output = sh("exit 0", Some(&"x".repeat(1_000_000)));
        assert_eq!(output.exit_code, Some(0));
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        for argv in [vec!["/nonexistent".to_owned()], vec![], vec!["nul\0".to_owned()]] {
            let error = run(&Command { argv, ..Command::default() }, 10).unwrap_err();
            assert!(matches!(error, BuiltinError::CommandNotRun { .. }), "{error}");
        }
    }
}
