//! Progress display.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use console::screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    RunView,
    rate::{RateMeter, time_left},
};
use crate::{error::warn, plan::Plan, units::format_seconds};

const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
const PRINT_INTERVAL: Duration = Duration::from_secs(1);

/// A thread that draws a progress bar on standard error, or prints a line per second if that is not a
/// terminal. `None` if no progress is shown.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Starts the thread.
    pub(crate) fn start(plan: &Plan, view: &Arc<RunView>) -> Progress {
        if !plan.progress.is_wanted(plan.quiet) {
            return Progress(None);
        }
        let (stop, stopped) = channel();
        let view = view.clone();
        let draw = move || match io::stderr().is_terminal() {
            true => draw_bar(&view, &stopped),
            false => print_lines(&view, &stopped),
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

fn draw_bar(view: &RunView, stopped: &Receiver<()>) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style());
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REDRAW_INTERVAL) {
        let (counts, total) = view.counts();
        bar.set_message(details(view, counts.failed()));
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(counts.done());
        screen::show(&bar);
    }
    screen::remove(&bar);
}

/// Prints lines, for logs, which cannot be redrawn.
fn print_lines(view: &RunView, stopped: &Receiver<()>) {
    let mut meter = RateMeter::new(view.start, 0);
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PRINT_INTERVAL) {
        let (counts, total) = view.counts();
        let (done, details) = (counts.done(), details(view, counts.failed()));
        // Records of an earlier run were not the work of this one.
        let rate = meter.note(Instant::now(), done.saturating_sub(counts.recorded));
        let left = total.and_then(|total| time_left(total.saturating_sub(done), rate));
        let left = left.map_or_else(|| "?".to_owned(), format_seconds);
        let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        warn(&format!("{done}/{total} jobs, {details}, {rate:.1}/s, {left} left"));
    }
}

/// Returns the numbers of failures, retries and busy workers, as far as they are known, and whether the run
/// is paused.
fn details(view: &RunView, failed: u64) -> String {
    let mut parts = vec![format!("{failed} failed")];
    if view.counts_jobs {
        parts.push(format!("{} retries", view.executor.counts().retried));
    }
    parts.extend(view.busy_workers().map(|busy| format!("{busy}/{} busy", view.executor.workers())));
    parts.extend(view.pauses.current().map(|_| "paused".to_owned()));
    parts.join(", ")
}

fn style() -> ProgressStyle {
    let template = "{elapsed_precise} [{bar:20}] {human_pos}/{human_len} jobs, {msg}, {per_sec}, {eta} left";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
