//! How far the measuring has come, on standard error.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::BenchPlan;
use crate::{error::warn, screen};

const REPRINT: Duration = Duration::from_secs(1);

/// A bar, or a line now and then where that is no terminal, or nothing.
///
/// It is drawn between two runs, by whoever measures: a thread of its own would take its time from what is measured.
pub(super) enum Bar {
    Drawn(ProgressBar),
    Lines(Instant),
    Nothing,
}

impl Bar {
    pub(super) fn new(plan: &BenchPlan) -> Bar {
        if !plan.progress.is_wanted(plan.quiet) {
            Bar::Nothing
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style());
            Bar::Drawn(bar)
        } else {
            Bar::Lines(Instant::now())
        }
    }

    /// So many runs are done, of so many.
    pub(super) fn show(&mut self, done: u64, all: u64) {
        match self {
            Bar::Drawn(bar) => {
                bar.set_length(all);
                bar.set_position(done);
                screen::show(bar);
            }
            Bar::Lines(last) if last.elapsed() >= REPRINT => {
                *last = Instant::now();
                warn(&format!("{done}/{all} runs"));
            }
            Bar::Lines(_) | Bar::Nothing => {}
        }
    }

    /// Takes it away.
    pub(super) fn finish(&self) {
        if let Bar::Drawn(bar) = self {
            screen::remove(bar);
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {human_pos}/{human_len} runs, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
