//! A child process with a line-based request and reply protocol.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::rounds::Result;

/// A running child process that is expected to exit at the end of its input.
pub struct LineClient {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl LineClient {
    /// Starts the process.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<LineClient> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(LineClient { child, input, output })
    }

    /// Sends a line.
    ///
    /// # Errors
    /// If the process has exited.
    pub fn send(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("the input of the process is closed")?;
        // In one write, so that the line arrives at once.
        Ok(input.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// If the process exits without sending one.
    pub fn receive(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err("the process exited without a reply".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Sends a line and waits for the reply.
    ///
    /// # Errors
    /// If the process exits without a reply.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        self.send(line)?;
        self.receive()
    }
}

impl Drop for LineClient {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
