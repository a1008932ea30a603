//! The progress bar.

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

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    error::warn,
    output::{Counts, ReorderBuffer},
    plan::Plan,
    screen,
};

const REDRAW: Duration = Duration::from_millis(100);
const REPRINT: Duration = Duration::from_secs(1);

/// A bar on standard error, or a line now and then where that is no terminal, by a thread of its own; nothing
/// where none is wanted.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Starts drawing. `input_bytes` is the size of all input, where that is known.
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
        // Without the thread there is no bar, and nothing else is missing.
        let drawing = thread::Builder::new().name("runner-progress".into()).spawn(draw).ok();
        Progress(drawing.map(|thread| (stop, thread)))
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// What there is to show.
struct ProgressView {
    buffer: Arc<ReorderBuffer>,
    input_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl ProgressView {
    fn draw_bar(&self, stopped: &Receiver<()>) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style());
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REDRAW) {
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

    /// For logs, which cannot be drawn over.
    fn print_lines(&self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REPRINT) {
            let (counts, total) = self.snapshot();
            let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
            warn(&format!("{}/{total} jobs, {} failed", counts.done(), counts.failed()));
        }
    }

    /// What is done, and how many jobs there will be.
    fn snapshot(&self) -> (Counts, Option<u64>) {
        let counts = self.buffer.counts();
        let read = self.bytes_read.load(Ordering::Relaxed);
        (counts, expected(counts.read, read, self.input_bytes, self.buffer.is_closed()))
    }
}

/// How many jobs there will be: known at the end of the input, guessed from its size before.
fn expected(jobs_read: u64, bytes_read: u64, input_bytes: Option<u64>, complete: bool) -> Option<u64> {
    if complete {
        return Some(jobs_read);
    }
    let total = input_bytes.filter(|&total| bytes_read > 0 && total >= bytes_read)?;
    let guess = u128::from(jobs_read) * u128::from(total) / u128::from(bytes_read);
    u64::try_from(guess).ok()
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
    fn the_total_is_guessed_from_the_size_of_the_input() {
        assert_eq!(expected(10, 100, Some(1000), false), Some(100));
        assert_eq!(expected(10, 100, None, false), None);
        assert_eq!(expected(0, 0, Some(1000), false), None);
        assert_eq!(expected(17, 100, None, true), Some(17));
    }
}
