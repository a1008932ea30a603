//! Programs that serve until they are ended.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use peers::rounds::Result;

/// A program that serves, and is killed at the end: nothing is at stake then.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts it and waits for these words on its standard error; the line in which they were.
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
                // Somebody has to read on, or the program would wait for that one day.
                thread::spawn(move || lines.for_each(drop));
                return Ok((daemon, last));
            }
        }
        Err(format!("{} ended: {last}", command.get_program().display()).into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
