//! The `command` job: runs a program.

mod capture;
mod running;

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::ExitStatusExt,
    process::{self, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use serde::{Deserialize, Serialize};
use sys::program::{End, Program, is_resource_shortage};

use self::running::{FinishedCommand, RunningCommand};
use crate::{error::BuiltinError, program_sandbox::ProgramSandbox};

/// Delay after the first failed start. It doubles up to [`MAX_RETRY_DELAY`]; all delays together are 5
/// seconds.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(10);
const MAX_RETRY_DELAY: Duration = Duration::from_millis(2560);

/// Environment variables that contain secrets of `runner`. Programs that jobs start never inherit them. A job
/// can set them explicitly in its `env`.
pub const SECRET_VARIABLES: [&str; 2] = ["RUNNER_CLUSTER_PASSWORD", "RUNNER_CLUSTER_TOKEN"];

/// A program to run, without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Data for standard input, which is empty if missing.
    pub stdin: Option<String>,
    /// Variables that are added to the environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: Option<String>,
}

/// Exit status and output of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// Exit code, if the program exited.
    pub exit_code: Option<i32>,
    /// Name of the signal that killed the program, if any.
    pub signal: Option<String>,
    /// Start of standard output. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub stdout: String,
    /// Start of standard error. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub stderr: String,
    /// `true` if one of the streams was longer than the part that was kept.
    pub truncated: bool,
}

/// Runs the program until it exits and keeps the first `max_output` bytes of each output stream.
///
/// Processes that the program leaves running are killed when this process exits; see [`sys::program`].
pub(crate) fn run(
    job: &Command,
    max_output: u64,
    sandbox: &ProgramSandbox,
) -> Result<CommandOutput, BuiltinError> {
    let program = start(job, sandbox)?;
    // On SIGTERM the worker waits for its program, which received the signal too and may need time to clean
    // up.
    let _guard = SigtermBlocked::new();
    let stdin = job.stdin.as_deref().unwrap_or_default().as_bytes();
    let Ok(FinishedCommand { end, stdout, stderr }) = RunningCommand::new(program, stdin, max_output).run()
    else {
        // The program has been killed. Report the failure like any other failed allocation.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>())
    };
    let status = match end {
        End::Program(status) => status,
        End::Guard(status) => {
            return Err(BuiltinError::CommandStatusUnknown {
                program: job.name(),
                reason: status.to_string(),
            });
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

/// Starts the program. Retries for about 5 seconds if no processes, memory or file descriptors are left.
fn start(job: &Command, sandbox: &ProgramSandbox) -> Result<Program, BuiltinError> {
    let mut delay = FIRST_RETRY_DELAY;
    loop {
        match spawn(job, sandbox) {
            Ok(program) => return Ok(program),
            Err(error) if is_resource_shortage(&error) && delay <= MAX_RETRY_DELAY => thread::sleep(delay),
            Err(error) if is_resource_shortage(&error) => {
                let reason = format!("out of processes, memory or file descriptors: {error}");
                return Err(BuiltinError::CommandStart { program: job.name(), reason });
            }
            Err(error) => {
                return Err(BuiltinError::CommandStart { program: job.name(), reason: error.to_string() });
            }
        }
        delay *= 2;
    }
}

fn spawn(job: &Command, sandbox: &ProgramSandbox) -> io::Result<Program> {
    Program::spawn_confined(job.to_std_command(), sandbox.confinement()?)
}

impl Command {
    fn name(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }

    fn to_std_command(&self) -> process::Command {
        let mut command = process::Command::new(self.name());
        command.args(self.argv.iter().skip(1));
        for secret in SECRET_VARIABLES {
            command.env_remove(secret);
        }
        command.envs(&self.env);
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.cwd {
            command.current_dir(folder);
        }
        sys::file_size_signal::restore(&mut command);
        command
    }
}

/// Blocks SIGTERM in this thread until it is dropped.
struct SigtermBlocked(Option<SigSet>);

impl SigtermBlocked {
    fn new() -> SigtermBlocked {
        SigtermBlocked(SigSet::from(Signal::SIGTERM).thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

impl Drop for SigtermBlocked {
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
        run(
            &Command { argv, stdin: stdin.map(str::to_owned), ..Command::default() },
            10,
            &ProgramSandbox::default(),
        )
        .unwrap()
    }

    #[test]
    fn returns_streams_and_status() {
        let output = sh("cat; printf 'a\\377' >&2; exit 3", Some("in"));
        assert_eq!(output.stdout, "in");
        assert_eq!(output.stderr, "a\u{fffd}");
        assert_eq!((output.exit_code, output.signal, output.truncated), (Some(3), None, false));
    }

    #[test]
    fn returns_name_of_signal() {
        let output = sh("kill -SEGV $$", None);
        assert_eq!((output.exit_code, output.signal.as_deref()), (None, Some("SIGSEGV")));
    }

    #[test]
    fn long_output_is_truncated_and_does_not_block_the_program() {
        let output = sh("yes | head -c 1000000; exit 0", None);
        assert_eq!((output.stdout.len(), output.exit_code, output.truncated), (10, Some(0), true));
    }

    #[test]
    fn does_not_wait_for_background_processes_that_hold_the_output() {
        let output = sh("sleep 1000 & (sleep 1000 >&2) & echo up; exit 4", None);
        assert_eq!((output.stdout.as_str(), output.exit_code, output.truncated), ("up\n", Some(4), false));
    }

    #[test]
    fn stops_reading_from_background_processes() {
        let output = sh("yes & exit 0", None);
        assert_eq!(output.exit_code, Some(0));
    }

    #[test]
    fn unread_input_is_not_an_error() {
        let output = sh("exit 0", Some(&"x".repeat(1_000_000)));
        assert_eq!(output.exit_code, Some(0));
    }

    #[test]
    fn invalid_programs_are_errors() {
        for argv in [vec!["/nonexistent".to_owned()], vec![], vec!["nul\0".to_owned()]] {
            let error =
                run(&Command { argv, ..Command::default() }, 10, &ProgramSandbox::default()).unwrap_err();
            assert!(matches!(error, BuiltinError::CommandStart { .. }), "{error}");
        }
    }
}
