//! The thread that writes the records.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread,
};

use pool::Stage;

use super::News;
use crate::{
    files::Output,
    output::{Collector, write_all_lines},
};

/// The coordinator's side of the thread that writes the records.
pub(super) struct Writing {
    news: Sender<News>,
    /// The thread waits for a reader of its FIFO. Whoever resets this first decides: the thread, that it writes, or the
    /// coordinator, that the output has ended.
    is_waiting: Arc<AtomicBool>,
}

impl Writing {
    /// Opens the output on a thread of its own, and writes the records to it.
    pub(super) fn start(
        collector: &Arc<Collector>,
        output: Output,
        news: &Sender<News>,
    ) -> io::Result<Writing> {
        let is_waiting = Arc::new(AtomicBool::new(output.may_block()));
        let writing = Writing { news: news.clone(), is_waiting: is_waiting.clone() };
        let (collector, news) = (collector.clone(), news.clone());
        thread::Builder::new().name("runner-writer".into()).spawn(move || {
            if let Some(result) = write(&collector, output, &is_waiting) {
                let _ = news.send(News::OutputEnded(result));
            }
        })?;
        Ok(writing)
    }

    /// Ends the output if it still waits for a reader. The thread that is blocked ends with the process.
    pub(super) fn stop_waiting(&self) {
        if self.is_waiting.swap(false, Ordering::AcqRel) {
            let _ = self.news.send(News::OutputEnded(Ok(())));
        }
    }
}

/// Returns `None` if the reader has come too late.
fn write(collector: &Collector, output: Output, is_waiting: &AtomicBool) -> Option<io::Result<()>> {
    let may_block = output.may_block();
    let file = output.open();
    if may_block && !is_waiting.swap(false, Ordering::AcqRel) {
        return None;
    }
    let lane = &collector.lanes().writer;
    lane.begin(Stage::Merge);
    let result = file.and_then(|file| write_all_lines(collector, file));
    lane.end();
    Some(result)
}
