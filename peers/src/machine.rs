//! Where it was measured.

pub(crate) use bench::machine::load;
use bench::machine::processor;

use crate::report::Report;

/// A report without rows.
pub(crate) fn describe(quick: bool) -> Report {
    let load = load();
    Report {
        quick,
        cores: pool::available_cores(),
        processor: processor(),
        load: [load; 2],
        rows: Vec::new(),
    }
}
