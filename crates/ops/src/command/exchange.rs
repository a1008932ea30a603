//! What is exchanged with a running program: one thread feeds it, reads its output and waits for its end.

use std::{
    collections::TryReserveError,
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use sys::{
    program::{End, Program},
    ready::{Awaited, wait_ready},
};

use super::capture::{Capture, Found};

/// A program that is being fed and read.
pub(super) struct Exchange<'a> {
    program: Program,
    /// `None` when all is written or the program reads no more.
    stdin: Option<ChildStdin>,
    /// What remains to be written to it.
    input: &'a [u8],
    stdout: Stream<ChildStdout>,
    stderr: Stream<ChildStderr>,
}

/// How a program ended, and the start of its output.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(mut program: Program, input: &'a [u8], max_output: u64) -> Exchange<'a> {
        Exchange {
            stdin: program.stdin.take(),
            stdout: Stream { pipe: program.stdout.take(), capture: Capture::new(max_output) },
            stderr: Stream { pipe: program.stderr.take(), capture: Capture::new(max_output) },
            program,
            input,
        }
    }

    /// Runs the program to its end.
    ///
    /// What is in the pipes when the program has ended is read. What it has left running may hold them open and is not waited
    /// for.
    ///
    /// # Errors
    /// When there is no memory for its output. The program is killed then.
    pub(super) fn run(mut self) -> Result<Ended, TryReserveError> {
        let end = loop {
            let [stdin, stdout, stderr, end] = self.wait();
            if stdin {
                self.feed();
            }
            if stdout {
                self.stdout.read(usize::MAX)?;
            }
            if stderr {
                self.stderr.read(usize::MAX)?;
            }
            if end && let Some(end) = self.program.try_end() {
                break end;
            }
        };
        self.stdout.read_rest()?;
        self.stderr.read_rest()?;
        Ok(Ended { end, stdout: self.stdout.capture, stderr: self.stderr.capture })
    }

    /// Waits until the program reads, has written to standard output or standard error, or has ended.
    fn wait(&self) -> [bool; 4] {
        let stdin = self.stdin.as_ref().map_or(Awaited::Nothing, |pipe| Awaited::Write(pipe.as_fd()));
        wait_ready(
            [stdin, self.stdout.awaited(), self.stderr.awaited(), Awaited::Read(self.program.end_fd())],
            None,
        )
    }

    /// Writes what the program's standard input takes, and closes it after the last byte.
    fn feed(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        match pipe.write(self.input) {
            Ok(count) => self.input = &self.input[count..],
            Err(error) if is_temporary(&error) => return,
            // A program that does not read to the end is within its rights.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}

/// An output stream of the program, and the start of what came through it.
struct Stream<P> {
    /// `None` after its end.
    pipe: Option<P>,
    capture: Capture,
}

impl<P: Read + AsFd> Stream<P> {
    fn awaited(&self) -> Awaited<'_> {
        self.pipe.as_ref().map_or(Awaited::Nothing, |pipe| Awaited::Read(pipe.as_fd()))
    }

    /// Reads once, no more than `most` bytes; returns how many.
    fn read(&mut self, most: usize) -> Result<usize, TryReserveError> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let found = self.capture.read(pipe, most)?;
        if found == Found::End {
            self.pipe = None;
        }
        Ok(if let Found::Bytes(count) = found { count } else { 0 })
    }

    /// Reads what is in the pipe now, and nothing that is added meanwhile.
    fn read_rest(&mut self) -> Result<(), TryReserveError> {
        let mut rest = self.pipe.as_ref().map_or(0, |pipe| sys::pipe::unread(pipe).unwrap_or(0));
        while rest > 0 {
            match self.read(rest)? {
                0 => break,
                count => rest -= count,
            }
        }
        Ok(())
    }
}

pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
