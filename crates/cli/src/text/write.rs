//! Results and errors, on their way out.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    ops::ControlFlow,
};

use nix::{errno::Errno, sys::signal::Signal};
use pool::{JobError, ResultError};

use super::{
    Front,
    block::{Answer, Block},
    crew::Crew,
    feed::FeedError,
    order::{Next, Order},
    wording::{self, FrontError},
};
use crate::{
    exit::ExitStatus,
    output::{LineWriter, standard_output},
};

/// GNU `factor` writes when it has so many bytes of lines, or at its end. When writing fails, that decides what it still says.
const HELD_BACK: usize = 512;

/// What writes to both streams.
pub(super) struct Writer {
    front: Front,
    output: io::Result<LineWriter<File>>,
    /// Why standard output takes no more, and how many bytes it has not taken.
    lost: Option<(io::Error, usize)>,
    ended: ExitStatus,
}

/// Goes on, or ends the program.
type Flow = ControlFlow<ExitStatus>;

impl Writer {
    pub(super) fn new(front: Front) -> Writer {
        let output = match sys::startup::output_was_closed() {
            true => Err(Errno::EBADF.into()),
            // Written to directly: there are whole blocks of lines.
            false => standard_output().map(LineWriter::new),
        };
        Writer { front, output, lost: None, ended: ExitStatus::Succeeded }
    }

    /// Writes a text, which is all there is to be written.
    pub(super) fn finish_with(mut self, text: &[u8]) -> ExitStatus {
        match self.write(text) {
            ControlFlow::Continue(_) => self.finish(),
            ControlFlow::Break(ended) => ended,
        }
    }

    /// Writes what comes of the blocks, until all is said.
    pub(super) fn write_all(mut self, order: &Order, crew: &Crew) -> ExitStatus {
        loop {
            let flow = match order.next() {
                Next::Done(block, outcome) => self.take(&block, outcome, crew),
                Next::End(result) => {
                    crew.dismiss();
                    self.read_failed(result);
                    return self.finish();
                }
            };
            if let ControlFlow::Break(ended) = flow {
                crew.end();
                return ended;
            }
        }
    }

    /// What could not be read is not mentioned by the `factor` that this one is to be like.
    fn read_failed(&mut self, result: Result<(), FeedError>) {
        match result {
            Ok(()) => {}
            Err(FeedError::Read(_)) if self.front == Front::Factor => {}
            Err(error) => {
                wording::say(self.front, &error);
                self.ended = ExitStatus::JobsFailed;
            }
        }
    }

    fn finish(self) -> ExitStatus {
        match self.lost {
            Some((error, _)) => {
                wording::say(self.front, &FrontError::Write(&error));
                ExitStatus::JobsFailed
            }
            None => self.ended,
        }
    }

    fn take(&mut self, block: &Block, outcome: Result<Answer, JobError<String>>, crew: &Crew) -> Flow {
        match outcome {
            Ok(answer) => self.answer(&answer),
            // The workers cannot be started any more.
            Err(JobError::Abandoned(_)) => {
                crew.yield_to_signal();
                self.alone(block, crew)
            }
            Err(failure @ JobError::Cancelled) => {
                crew.yield_to_signal();
                wording::say(self.front, &failure);
                Flow::Break(ExitStatus::JobsFailed)
            }
            Err(failure) => {
                let parts = block.parts();
                if parts.len() <= 1 {
                    self.ended = ExitStatus::JobsFailed;
                    wording::unresolved(self.front, &block.text, &failure);
                    return Flow::Continue(());
                }
                parts.iter().try_for_each(|part| self.alone(part, crew))
            }
        }
    }

    /// Runs a part of a block that has failed as a whole, or a block that has not been run.
    fn alone(&mut self, part: &Block, crew: &Crew) -> Flow {
        let outcome = match crew.pool().submit(part.clone()) {
            Ok(future) => match future.result(None) {
                Ok(answer) => Ok(answer),
                Err(ResultError::Failed(failure)) => Err(failure),
                Err(_) => Err(JobError::Cancelled),
            },
            Err(_) => Err(JobError::Cancelled),
        };
        self.take(part, outcome, crew)
    }

    /// Both streams as they would be without blocks: what is wrong with a token is said between the lines around it.
    fn answer(&mut self, answer: &Answer) -> Flow {
        let mut written = 0;
        for flaw in &answer.flaws {
            self.put(&answer.lines[written..flaw.at])?;
            written = flaw.at;
            self.ended = ExitStatus::JobsFailed;
            wording::flawed(self.front, flaw);
        }
        self.put(&answer.lines[written..])
    }

    /// Writes lines. What cannot be written is noted, and said when all else is, or there is much of it.
    fn put(&mut self, lines: &[u8]) -> Flow {
        let lost = self.write(lines)?;
        match &mut self.lost {
            Some((error, held_back)) if lost > 0 => {
                *held_back += lost;
                if *held_back >= HELD_BACK {
                    // Once for the lines, and once for the end.
                    wording::say(self.front, &FrontError::Write(error));
                    wording::say(self.front, &FrontError::Write(error));
                    return Flow::Break(ExitStatus::JobsFailed);
                }
            }
            _ => {}
        }
        Flow::Continue(())
    }

    /// Writes what can be written: how many bytes cannot.
    fn write(&mut self, mut bytes: &[u8]) -> ControlFlow<ExitStatus, usize> {
        while !bytes.is_empty() && self.lost.is_none() {
            let written = match &mut self.output {
                Ok(output) => output.write(bytes),
                Err(error) => Err(wording::again(error)),
            };
            match written {
                Ok(0) => self.lost = Some((ErrorKind::WriteZero.into(), 0)),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A reader that has seen enough is no error, unless whoever started the program wants it to be one.
                Err(error) if error.kind() == ErrorKind::BrokenPipe && !sys::startup::pipe_was_ignored() => {
                    return ControlFlow::Break(ExitStatus::Signal(Signal::SIGPIPE));
                }
                Err(error) => self.lost = Some((error, 0)),
            }
        }
        ControlFlow::Continue(bytes.len())
    }
}
