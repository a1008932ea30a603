//! Thread that writes the records.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread,
};

use pool::metrics::Stage;

use crate::{
    event::RunEvent,
    files::Output,
    output::{ReorderBuffer, write_all_lines},
};

/// The coordinator's handle of the writer thread.
pub(super) struct WriterThread {
    events: Sender<RunEvent>,
    /// Whether the thread is blocked on opening a FIFO that has no reader. The first to reset the flag
    /// decides: the thread, that it writes the records, or the coordinator, that the output has ended.
    is_waiting: Arc<AtomicBool>,
}

impl WriterThread {
    /// Starts the thread, which opens the output and writes the records to it. It sends
    /// [`RunEvent::OutputEnded`] when it is done.
    pub(super) fn start(
        buffer: &Arc<ReorderBuffer>,
        output: Output,
        events: &Sender<RunEvent>,
    ) -> io::Result<WriterThread> {
        let is_waiting = Arc::new(AtomicBool::new(output.may_block()));
        let writing = WriterThread { events: events.clone(), is_waiting: is_waiting.clone() };
        let (buffer, events) = (buffer.clone(), events.clone());
        thread::Builder::new().name("runner-writer".into()).spawn(move || {
            if let Some(result) = write(&buffer, output, &is_waiting) {
                let _ = events.send(RunEvent::OutputEnded(result));
            }
        })?;
        Ok(writing)
    }

    /// Ends the output if the thread still waits for a reader. The blocked thread ends with the process.
    pub(super) fn stop_waiting(&self) {
        if self.is_waiting.swap(false, Ordering::AcqRel) {
            let _ = self.events.send(RunEvent::OutputEnded(Ok(())));
        }
    }
}

/// Opens the output and writes all records. Returns `None` if a reader opened the FIFO only after
/// [`stop_waiting`](WriterThread::stop_waiting).
fn write(buffer: &ReorderBuffer, output: Output, is_waiting: &AtomicBool) -> Option<io::Result<()>> {
    let may_block = output.may_block();
    let file = output.open();
    if may_block && !is_waiting.swap(false, Ordering::AcqRel) {
        return None;
    }
    let lane = &buffer.thread_timers().writer;
    lane.begin(Stage::Merge);
    let result = file.and_then(|file| write_all_lines(buffer, file));
    lane.end();
    Some(result)
}
