//! Measures what running jobs on worker processes costs on this machine.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! [`measure`] runs sweeps. A sweep varies one factor: the work in a job, the number of workers, the size of
//! batches, the payload of a job, the transport. Candidates of a comparison run the same jobs in the same
//! rounds, together with a plain loop without any executor. The [`Report`](report::Report) is plain data;
//! [`table`] and [`csv`] render it as text, and [`pictures`] as an HTML page and SVG files.
//!
//! A program that measures must call `pool::enter_if_worker::<bench::load::Load>()` at the start of `main`.

mod advise;
mod break_even;
pub mod calibrate;
mod candidate;
mod cost_snapshot;
mod csv;
mod error;
pub mod load;
pub mod machine;
mod measure;
mod model;
mod names;
pub mod pictures;
mod point;
mod predict;
mod progress;
pub mod report;
pub mod rounds;
#[cfg(test)]
mod samples;
mod settings;
mod spread;
mod starts;
mod suspect;
mod sweep;
mod table;
mod units;
mod work;

pub use advise::{Advice, Reason, SampleStats, advise};
pub use break_even::BreakEven;
pub use candidate::wait_for_workers;
pub use cost_snapshot::CostSnapshot;
pub use csv::csv;
pub use error::Error;
pub use measure::measure;
pub use settings::Settings;
pub use starts::Starts;
pub use table::table;
