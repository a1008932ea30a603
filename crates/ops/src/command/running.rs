//! A running program: one thread writes its input, reads its output and waits for its exit.

use std::{
    collections::TryReserveError,
    io::{Read, Write},
    os::fd::AsFd,
    process::{ChildStderr, ChildStdin, ChildStdout},
};

use sys::{
    program::{End, Program},
    ready::{Interest, wait_ready},
};

use super::capture::{Capture, ReadResult, is_temporary};

/// A running program with its pipes.
pub(super) struct RunningCommand<'a> {
    program: Program,
    /// `None` once all input is written or the program has closed its input.
    stdin: Option<ChildStdin>,
    /// Remaining input.
    input: &'a [u8],
    stdout: OutputStream<ChildStdout>,
    stderr: OutputStream<ChildStderr>,
}

/// Exit status of a program and the start of its output.
#[derive(Debug)]
pub(super) struct FinishedCommand {
    pub(super) end: End,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
}

impl<'a> RunningCommand<'a> {
    pub(super) fn new(mut program: Program, input: &'a [u8], max_output: u64) -> RunningCommand<'a> {
        RunningCommand {
            stdin: program.stdin.take(),
            stdout: OutputStream { pipe: program.stdout.take(), capture: Capture::new(max_output) },
            stderr: OutputStream { pipe: program.stderr.take(), capture: Capture::new(max_output) },
            program,
            input,
        }
    }

    /// Waits until the program exits.
    ///
    /// Reads all data that is in the pipes when the program exits. Does not wait for processes that the
    /// program leaves running, which may hold the pipes open.
    ///
    /// # Errors
    /// If there is not enough memory for the output. The program is killed then.
    pub(super) fn run(mut self) -> Result<FinishedCommand, TryReserveError> {
        let end = loop {
            let [stdin, stdout, stderr, end] = self.wait();
            if stdin {
                self.write_input();
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
        Ok(FinishedCommand { end, stdout: self.stdout.capture, stderr: self.stderr.capture })
    }

    /// Waits until the program's standard input is writable, its standard output or standard error is
    /// readable, or it has exited. Returns which of these is the case, in this order.
    fn wait(&self) -> [bool; 4] {
        let stdin = self.stdin.as_ref().map_or(Interest::Nothing, |pipe| Interest::Write(pipe.as_fd()));
        wait_ready(
            [stdin, self.stdout.awaited(), self.stderr.awaited(), Interest::Read(self.program.end_fd())],
            None,
        )
    }

    /// Writes to standard input without blocking and closes it after the last byte.
    fn write_input(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        match pipe.write(self.input) {
            Ok(count) => self.input = &self.input[count..],
            Err(error) if is_temporary(&error) => return,
            // The program need not read all of its input.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}

/// An output stream of the program and its captured start.
struct OutputStream<P> {
    /// `None` after the end of the stream.
    pipe: Option<P>,
    capture: Capture,
}

impl<P: Read + AsFd> OutputStream<P> {
    fn awaited(&self) -> Interest<'_> {
        self.pipe.as_ref().map_or(Interest::Nothing, |pipe| Interest::Read(pipe.as_fd()))
    }

    /// Reads up to `max` bytes with one system call. Returns the number of bytes read.
    fn read(&mut self, max: usize) -> Result<usize, TryReserveError> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let result = self.capture.read(pipe, max)?;
        if result == ReadResult::End {
            self.pipe = None;
        }
        Ok(if let ReadResult::Bytes(count) = result { count } else { 0 })
    }

    /// Reads the bytes that are in the pipe at the time of the call, but none that are written later.
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
