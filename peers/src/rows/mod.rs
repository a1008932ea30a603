//! The rows, one module per topic.

mod commands;
mod each;
mod idle;
mod large;
mod ledger;
mod load;
mod map;
mod round_trip;
mod runner;
mod scale;
mod submit;
mod syscalls;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{bench::Bench, report::Row, rounds::Result};

/// Numbers of the rows.
pub(crate) const NUMBERS: [&str; 23] = [
    "1", "2", "3", "4", "4b", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19", "20", "21", "22",
];

/// Rows that are measured together.
type Group = (&'static [&'static str], fn(&Bench) -> Result<Vec<Row>>);

const GROUPS: [Group; 21] = [
    (&["1", "2", "3"], map::measure),
    (&["4"], submit::at_once),
    (&["4b"], submit::between),
    (&["5"], round_trip::hot),
    (&["6"], round_trip::asleep),
    (&["7"], load::even),
    (&["8"], load::heavy_tailed_jobs),
    (&["9"], runner::start),
    (&["10"], runner::throughput),
    (&["11"], scale::counts),
    (&["12"], scale::workers),
    (&["13"], idle::measure),
    (&["14"], runner::memory),
    (&["15"], commands::measure),
    (&["16"], ledger::measure),
    (&["17"], large::measure),
    (&["18"], submit::from_threads),
    (&["19"], syscalls::measure),
    (&["20"], each::python),
    (&["21"], each::native),
    (&["22"], each::memory),
];

/// Measures the requested rows, group by group. A group that cannot be measured becomes a row with the error.
pub(crate) fn measure(bench: &Bench) -> impl Iterator<Item = Vec<Row>> {
    GROUPS.into_iter().filter_map(|(numbers, measure)| {
        let first = numbers.iter().find(|number| bench.includes(number))?;
        // A peer may panic; the other rows are measured nevertheless.
        let rows = catch_unwind(AssertUnwindSafe(|| measure(bench)))
            .unwrap_or_else(|_| Err("the measurement panicked".into()));
        Some(rows.unwrap_or_else(|error| vec![Row::failed(first, error.as_ref())]))
    })
}
