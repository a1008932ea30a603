//! Running a program.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{self, Stdio},
    thread,
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use serde::{Deserialize, Serialize};

use crate::BuiltinError;

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

/// Runs the program to its end. Each output stream is read to its end too, and its first `max_output` bytes kept.
///
/// The program dies with the worker that runs it, and so does what it has started; see [`sys::guard`].
pub(crate) fn run(job: &Command, max_output: u64) -> Result<CommandOutput, BuiltinError> {
    let program = job.argv.first().cloned().unwrap_or_default();
    let failed = |error: io::Error| BuiltinError::CommandNotRun {
        program: program.clone(),
        reason: error.to_string(),
    };
    let mut command = process::Command::new(&program);
    command.args(job.argv.iter().skip(1));
    for secret in SECRETS {
        command.env_remove(secret);
    }
    command.envs(&job.env);
    command.stdin(if job.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(folder) = &job.cwd {
        command.current_dir(folder);
    }
    sys::guard::guard(&mut command).map_err(failed)?;
    // A worker that is asked to end waits for its program, which was asked too and may want to clean up.
    let _patience = Patience::new();
    let mut child = command.spawn().map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());

    let (stdout, stderr) = thread::scope(|scope| {
        if let (Some(mut pipe), Some(text)) = (stdin, job.stdin.as_deref()) {
            // A program that does not read to the end is within its rights.
            scope.spawn(move || pipe.write_all(text.as_bytes()));
        }
        let stderr = scope.spawn(move || keep(stderr, max_output));
        (keep(stdout, max_output), stderr.join().unwrap_or_default())
    });
    let status = child.wait().map_err(failed)?;
    Ok(CommandOutput {
        exit_code: status.code(),
        signal: status.signal().map(sys::signal::name),
        stdout: String::from_utf8_lossy(&stdout.bytes).into_owned(),
        stderr: String::from_utf8_lossy(&stderr.bytes).into_owned(),
        truncated: stdout.truncated || stderr.truncated,
    })
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

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    truncated: bool,
}

/// The start of a stream; the rest is read, so that the program can go on, and dropped.
fn keep(stream: Option<impl Read>, most: u64) -> Kept {
    let Some(mut stream) = stream else { return Kept::default() };
    let mut bytes = Vec::new();
    // A stream that breaks is as good as one that ends; but to have no memory is what it is everywhere else.
    if let Err(error) = (&mut stream).take(most).read_to_end(&mut bytes)
        && error.kind() == io::ErrorKind::OutOfMemory
    {
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<u8>());
    }
    let dropped = io::copy(&mut stream, &mut io::sink()).unwrap_or(0);
    Kept { bytes, truncated: dropped > 0 }
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
