//! Results on their way out: worded as records, put into order, written.

mod collector;
mod counts;
mod journaled;
mod record;
mod writer;

use std::io::Write;

pub(crate) use collector::{Collector, worded};
pub(crate) use counts::Counts;
pub(crate) use journaled::{record_of, tail_of};
pub(crate) use record::{Kind, Tail, cancelled_tail, invalid_tail};
pub(crate) use writer::write_all_lines;

use crate::exit::Ended;

/// Prints a whole text to standard output.
pub(crate) fn print_whole(text: &[u8]) -> Ended {
    match std::io::stdout().write_all(text) {
        Ok(()) => Ended::Succeeded,
        Err(_) => Ended::InputOutput,
    }
}
