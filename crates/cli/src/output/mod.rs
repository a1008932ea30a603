//! Output: renders outcomes as records, puts them into order and writes them.

mod claims;
mod counts;
mod failures;
mod journal_format;
mod layout;
mod record;
mod rendered;
mod reorder_buffer;
mod settings;
mod value;
mod window;
mod writer;

pub(crate) use counts::Counts;
pub(crate) use failures::FailureReport;
pub(crate) use journal_format::{body_from_journal, journal_record};
pub(crate) use layout::Layout;
pub(crate) use record::{OutcomeKind, RecordBody, cancelled_body, invalid_body};
pub(crate) use reorder_buffer::{Entering, ReorderBuffer};
pub(crate) use settings::{BufferLimits, BufferSettings};
pub(crate) use writer::write_all_lines;
