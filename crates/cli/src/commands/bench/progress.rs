//! Progress of the measurement, on standard error.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use console::screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::BenchPlan;
use crate::error::warn;

/// Shortest time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// A progress bar on a terminal, a line per [`LINE_INTERVAL`] elsewhere, or nothing.
///
/// The measuring thread draws it between two runs, because a thread of its own would disturb the measurement.
pub(super) enum BenchProgress {
    Drawn(ProgressBar),
    Lines(Instant),
    Nothing,
}

impl BenchProgress {
    pub(super) fn new(plan: &BenchPlan) -> BenchProgress {
        if !plan.progress.is_wanted(plan.quiet) {
            BenchProgress::Nothing
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style());
            BenchProgress::Drawn(bar)
        } else {
            BenchProgress::Lines(Instant::now())
        }
    }

    /// Shows that `done` of `total` runs are done.
    pub(super) fn show(&mut self, done: u64, total: u64) {
        match self {
            BenchProgress::Drawn(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                screen::show(bar);
            }
            BenchProgress::Lines(last) if last.elapsed() >= LINE_INTERVAL => {
                *last = Instant::now();
                warn(&format!("{done}/{total} runs"));
            }
            BenchProgress::Lines(_) | BenchProgress::Nothing => {}
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let BenchProgress::Drawn(bar) = self {
            screen::remove(bar);
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {human_pos}/{human_len} runs, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
