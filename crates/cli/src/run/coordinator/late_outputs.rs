//! The outputs that are written after the records.

use std::{
    fs::File,
    io,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use super::{Run, RunEvent, SIGNAL_POLL_INTERVAL, WRITER_TIMEOUT};
use crate::{
    args::StatsFormat,
    error::{self, RunError},
    exit::ExitStatus,
    files::Output,
    plan::Plan,
    report::Stats,
};

impl Run {
    /// Writes the statistics to the file that was asked for, or to standard error.
    pub(super) fn write_stats(
        &mut self,
        plan: &Plan,
        receiver: &Receiver<RunEvent>,
        (format, stats): (StatsFormat, &Stats),
    ) {
        let written = match self.stats.take() {
            None => stats.print(format),
            Some(output) => self.open_last(plan, receiver, output).and_then(|file| match file {
                Some(file) => stats.write(format, file),
                None => Ok(()),
            }),
        };
        if let Err(error) = written {
            error::print(&RunError::WriteStats(error));
            self.ended = self.ended.and(ExitStatus::InputOutput);
        }
    }

    /// Whoever asked twice for the end does not want to wait for that.
    pub(super) fn write_timeline(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) {
        let Some((timeline, output)) = self.timeline.take().filter(|_| self.signals < 2) else { return };
        let file = self.open_last(plan, receiver, output);
        if let Err(error) = file.and_then(|file| file.map_or(Ok(()), |file| timeline.write(&file))) {
            error::print(&RunError::WriteTrace(error));
            self.ended = self.ended.and(ExitStatus::InputOutput);
        }
    }

    /// Opens an output that is written at the end. A FIFO may have no reader yet: `None` if the run is
    /// stopped before one comes.
    fn open_last(
        &mut self,
        plan: &Plan,
        receiver: &Receiver<RunEvent>,
        output: Output,
    ) -> io::Result<Option<File>> {
        if !output.may_block() {
            return output.open().map(Some);
        }
        let (start, (done, opened)) = (Instant::now(), channel());
        thread::Builder::new().name("runner-open".into()).spawn(move || done.send(output.open()))?;
        loop {
            match opened.recv_timeout(SIGNAL_POLL_INTERVAL) {
                Ok(file) => return file.map(Some),
                // A run that has been stopped before does not wait for long.
                Err(_) if self.is_stopped(plan, receiver) && start.elapsed() >= WRITER_TIMEOUT => {
                    return Ok(None);
                }
                Err(_) => {}
            }
        }
    }

    /// Whether a signal, the time limit or a failure has stopped the run; for the time after the records.
    fn is_stopped(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) -> bool {
        while let Ok(events) = receiver.try_recv() {
            match events {
                RunEvent::Signalled(signal) => self.interrupted(signal),
                RunEvent::Suspended => self.suspend(),
                // Only the records were concerned.
                _ => {}
            }
        }
        if self.is_out_of_time() {
            self.out_of_time(plan);
        }
        self.early
    }
}
