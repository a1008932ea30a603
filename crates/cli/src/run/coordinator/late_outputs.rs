//! Outputs that are written after the records.

use std::{
    fs::File,
    io,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use console::ExitStatus;

use super::{Coordinator, SIGNAL_POLL_INTERVAL, WRITER_TIMEOUT};
use crate::{
    args::StatsFormat,
    error::{self, RunError},
    event::RunEvent,
    files::Output,
    plan::Plan,
    report::Stats,
};

impl Coordinator {
    /// Writes the statistics to the `--stats-file`, or to standard error.
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
            self.status = self.status.and(ExitStatus::InputOutput);
        }
    }

    /// Writes the timeline, except after a second signal, which must not wait for it.
    pub(super) fn write_timeline(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) {
        let Some((timeline, output)) = self.timeline.take().filter(|_| self.signals < 2) else { return };
        let file = self.open_last(plan, receiver, output);
        if let Err(error) = file.and_then(|file| file.map_or(Ok(()), |file| timeline.write(&file))) {
            error::print(&RunError::WriteTrace(error));
            self.status = self.status.and(ExitStatus::InputOutput);
        }
    }

    /// Opens an output that is written at the end. A FIFO may not have a reader yet: returns `None` if the
    /// run is stopped before one opens it.
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
                // A run that was already stopped waits only briefly.
                Err(_) if self.is_stopped(plan, receiver) && start.elapsed() >= WRITER_TIMEOUT => {
                    return Ok(None);
                }
                Err(_) => {}
            }
        }
    }

    /// Returns whether a signal, the time limit or a failure has stopped the run. Used after the records are
    /// written.
    fn is_stopped(&mut self, plan: &Plan, receiver: &Receiver<RunEvent>) -> bool {
        while let Ok(event) = receiver.try_recv() {
            match event {
                RunEvent::Signalled(signal) => self.interrupted(signal),
                RunEvent::Suspended => self.suspend(),
                // The other events concern the records only.
                _ => {}
            }
        }
        if self.is_out_of_time() {
            self.out_of_time(plan);
        }
        self.early
    }
}
