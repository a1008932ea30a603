//! What processes cost on this machine, measured.
//!
//! [`measure`] runs sweeps, each of which varies one factor: how much work is in a job, how many workers there are, how
//! many jobs travel together, how much a job carries. Whatever is compared does the same jobs in the same rounds, together
//! with a plain loop without any executor. The [`Report`](report::Report) is plain data, of which [`table`] and [`csv`] make
//! text, and [`pictures`] a page.
//!
//! The program's `main` has to call `pool::enter_if_worker::<bench::load::Load>()` first thing.

mod advise;
mod books;
mod break_even;
pub mod calibrate;
mod csv;
mod entrant;
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

pub use advise::{Advice, Sampled, Why, advise};
pub use books::Books;
pub use break_even::BreakEven;
pub use csv::csv;
pub use entrant::wait_for_workers;
pub use error::Error;
pub use measure::measure;
pub use settings::Settings;
pub use starts::Starts;
pub use table::table;
