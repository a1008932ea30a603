//! Background programs.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use peers::rounds::Result;

/// A background program that is killed on drop.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts a program, waits for a line with `words` on its standard error, and returns that line.
    pub(crate) fn start(command: &mut Command, words: &str) -> Result<(Daemon, String)> {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let daemon = Daemon { child };
        let mut lines = BufReader::new(stderr).lines();
        let mut last = String::new();
        for line in lines.by_ref() {
            last = line?;
            if last.contains(words) {
                // Reads on, since the program would block on a full pipe.
                thread::spawn(move || lines.for_each(drop));
                return Ok((daemon, last));
            }
        }
        Err(format!("{} exited: {last}", command.get_program().display()).into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
