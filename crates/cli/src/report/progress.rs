//! Progress display.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use console::screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    error::warn,
    output::{Counts, ReorderBuffer},
    plan::Plan,
};

const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
const PRINT_INTERVAL: Duration = Duration::from_secs(1);

/// A thread that draws a progress bar on standard error, or prints a line per second if that is not a
/// terminal. `None` if no progress is shown.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Starts the thread. `input_bytes` is the total size of the input, if known.
    pub(crate) fn start(
        plan: &Plan,
        buffer: &Arc<ReorderBuffer>,
        input_bytes: Option<u64>,
        bytes_read: Arc<AtomicU64>,
    ) -> Progress {
        if !plan.progress.is_wanted(plan.quiet) {
            return Progress(None);
        }
        let (stop, stopped) = channel();
        let view = ProgressView { buffer: buffer.clone(), input_bytes, bytes_read };
        let draw = move || match io::stderr().is_terminal() {
            true => view.draw_bar(&stopped),
            false => view.print_lines(&stopped),
        };
        // Without the thread there is no progress display; the run is not affected.
        let drawing = thread::Builder::new().name("runner-progress".into()).spawn(draw).ok();
        Progress(drawing.map(|thread| (stop, thread)))
    }

    /// Removes the bar and ends the thread.
    pub(crate) fn finish(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// State that is displayed.
struct ProgressView {
    buffer: Arc<ReorderBuffer>,
    input_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl ProgressView {
    fn draw_bar(&self, stopped: &Receiver<()>) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style());
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REDRAW_INTERVAL) {
            let (counts, total) = self.snapshot();
            bar.set_message(format!("{} failed", counts.failed()));
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(counts.done());
            screen::show(&bar);
        }
        screen::remove(&bar);
    }

    /// Prints lines, for logs, which cannot be redrawn.
    fn print_lines(&self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PRINT_INTERVAL) {
            let (counts, total) = self.snapshot();
            let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
            warn(&format!("{}/{total} jobs, {} failed", counts.done(), counts.failed()));
        }
    }

    /// Returns the counts and the expected number of jobs.
    fn snapshot(&self) -> (Counts, Option<u64>) {
        let counts = self.buffer.counts();
        let read = self.bytes_read.load(Ordering::Relaxed);
        (counts, expected(counts.read, read, self.input_bytes, self.buffer.is_closed()))
    }
}

/// Returns the expected number of jobs: exact at the end of the input, before that estimated from its size.
fn expected(jobs_read: u64, bytes_read: u64, input_bytes: Option<u64>, complete: bool) -> Option<u64> {
    if complete {
        return Some(jobs_read);
    }
    let total = input_bytes.filter(|&total| bytes_read > 0 && total >= bytes_read)?;
    let estimate = u128::from(jobs_read) * u128::from(total) / u128::from(bytes_read);
    u64::try_from(estimate).ok()
}

fn style() -> ProgressStyle {
    let template = "{elapsed_precise} [{bar:30}] {human_pos}/{human_len} jobs, {msg}, {per_sec}, {eta} left";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_the_total_from_the_input_size() {
        assert_eq!(expected(10, 100, Some(1000), false), Some(100));
        assert_eq!(expected(10, 100, None, false), None);
        assert_eq!(expected(0, 0, Some(1000), false), None);
        assert_eq!(expected(17, 100, None, true), Some(17));
    }
}
