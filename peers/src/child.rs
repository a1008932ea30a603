//! A program that is asked by lines and answers by lines.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::rounds::Result;

/// A running program; it is expected to end when its input does.
pub struct Talker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talker {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Talker> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Talker { child, input, output })
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When it has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("its input is closed")?;
        // In one write, so that it arrives in one piece.
        Ok(input.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// When it ends without one.
    pub fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err("it ended without an answer".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Sends a line and waits for the answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        self.tell(line)?;
        self.hear()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
