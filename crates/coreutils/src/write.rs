//! Writes results and errors in the order of the text.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    ops::ControlFlow,
};

use console::{ExitStatus, LineWriter, standard_output};
use nix::{errno::Errno, sys::signal::Signal};
use pool::JobError;

use super::{
    block::Block,
    block_output::BlockOutput,
    error::{InputError, WriteError, copy_error},
    front::Front,
    lazy_pool::LazyPool,
    messages,
    queue::{BlockQueue, QueueEvent},
};

/// Number of bytes that GNU `factor` buffers before it writes. After a failed write, that is how much it
/// still processes.
const GNU_BUFFER: usize = 512;

/// Writes to standard output and standard error.
pub(super) struct Writer {
    front: Front,
    output: io::Result<LineWriter<File>>,
    /// The error of standard output, and the number of bytes that were not written.
    failed: Option<(io::Error, usize)>,
    /// Exit status unless standard output fails.
    status: ExitStatus,
}

/// Continues, or ends the program with this status.
type Flow = ControlFlow<ExitStatus>;

impl Writer {
    pub(super) fn new(front: Front) -> Writer {
        let output = match sys::startup::output_was_closed() {
            true => Err(Errno::EBADF.into()),
            // No buffer is needed, because whole blocks of lines are written.
            false => standard_output().map(LineWriter::new),
        };
        Writer { front, output, failed: None, status: ExitStatus::Succeeded }
    }

    /// Writes a text and ends.
    pub(super) fn finish_with(mut self, text: &[u8]) -> ExitStatus {
        match self.write(text) {
            ControlFlow::Continue(_) => self.finish(),
            ControlFlow::Break(status) => status,
        }
    }

    /// Writes the outputs of all blocks.
    pub(super) fn write_all(mut self, queue: &BlockQueue, pool: &LazyPool) -> ExitStatus {
        loop {
            let flow = match queue.next() {
                QueueEvent::Done(block, outcome) => self.handle(&block, outcome, pool),
                QueueEvent::End(result) => {
                    pool.shutdown();
                    self.read_failed(result);
                    return self.finish();
                }
            };
            if let ControlFlow::Break(status) = flow {
                pool.stop();
                return status;
            }
        }
    }

    /// Reports an input error, except for `factor`, because GNU `factor` does not report it.
    fn read_failed(&mut self, result: Result<(), InputError>) {
        match result {
            Ok(()) => {}
            Err(InputError::Read(_)) if self.front == Front::Factor => {}
            Err(error) => {
                messages::print(self.front, &error);
                self.status = ExitStatus::JobsFailed;
            }
        }
    }

    fn finish(self) -> ExitStatus {
        match self.failed {
            Some((error, _)) => {
                messages::print(self.front, &WriteError(&error));
                ExitStatus::JobsFailed
            }
            None => self.status,
        }
    }

    fn handle(
        &mut self,
        block: &Block,
        outcome: Result<BlockOutput, JobError<String>>,
        pool: &LazyPool,
    ) -> Flow {
        match outcome {
            Ok(output) => self.write_output(&output),
            // Workers can no longer be started.
            Err(JobError::Broken(_)) => {
                pool.wait_for_exit_by_signal();
                self.run_part(block, pool)
            }
            Err(failure @ JobError::Cancelled) => {
                pool.wait_for_exit_by_signal();
                messages::print(self.front, &failure);
                Flow::Break(ExitStatus::JobsFailed)
            }
            Err(failure) => {
                let parts = block.parts();
                if parts.len() <= 1 {
                    self.status = ExitStatus::JobsFailed;
                    messages::print_block_error(self.front, &block.text, &failure);
                    return Flow::Continue(());
                }
                parts.iter().try_for_each(|part| self.run_part(part, pool))
            }
        }
    }

    /// Runs a part of a block that has failed as a whole, or a block that has not been run.
    fn run_part(&mut self, part: &Block, pool: &LazyPool) -> Flow {
        let outcome = match pool.executor().submit(part.clone()) {
            Ok(future) => future.join(),
            Err(_) => Err(JobError::Cancelled),
        };
        self.handle(part, outcome, pool)
    }

    /// Writes lines and errors in order, as without blocks: the error of a token is printed between the lines
    /// around it.
    fn write_output(&mut self, output: &BlockOutput) -> Flow {
        let mut written = 0;
        for error in &output.errors {
            self.write_lines(&output.lines[written..error.at])?;
            written = error.at;
            self.status = ExitStatus::JobsFailed;
            messages::print_token_error(self.front, error);
        }
        self.write_lines(&output.lines[written..])
    }

    /// Writes lines. A failure is reported after all other messages, or once [`GNU_BUFFER`] bytes are
    /// unwritten.
    fn write_lines(&mut self, lines: &[u8]) -> Flow {
        let failed = self.write(lines)?;
        match &mut self.failed {
            Some((error, unwritten)) if failed > 0 => {
                *unwritten += failed;
                if *unwritten >= GNU_BUFFER {
                    // GNU `factor` reports the error for the lines, and again at its end.
                    messages::print(self.front, &WriteError(error));
                    messages::print(self.front, &WriteError(error));
                    return Flow::Break(ExitStatus::JobsFailed);
                }
            }
            _ => {}
        }
        Flow::Continue(())
    }

    /// Writes as much as possible; returns the number of bytes that were not written.
    fn write(&mut self, mut bytes: &[u8]) -> ControlFlow<ExitStatus, usize> {
        while !bytes.is_empty() && self.failed.is_none() {
            let written = match &mut self.output {
                Ok(output) => output.write(bytes),
                Err(error) => Err(copy_error(error)),
            };
            match written {
                Ok(0) => self.failed = Some((ErrorKind::WriteZero.into(), 0)),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A closed pipe is not an error, unless SIGPIPE was ignored when the program was started.
                Err(error) if error.kind() == ErrorKind::BrokenPipe && !sys::startup::pipe_was_ignored() => {
                    return ControlFlow::Break(ExitStatus::Signal(Signal::SIGPIPE));
                }
                Err(error) => self.failed = Some((error, 0)),
            }
        }
        ControlFlow::Continue(bytes.len())
    }
}
