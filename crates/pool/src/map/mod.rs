//! `map` and `map_unordered`: one job for each item of an iterator.
//!
//! | file | concern |
//! |---|---|
//! | `settings` | a map that has not been started |
//! | `ordered`, `unordered` | iterators over the outputs |
//! | `stream` | the iteration: pushes jobs, receives outcomes |
//! | `producer` | reads items and pushes jobs; the number of jobs in flight |
//! | `completion_queue` | outcomes that have not been received, and waiting for them |

mod completion_queue;
mod ordered;
mod producer;
mod settings;
mod stream;
mod unordered;

pub use ordered::Outputs;
pub use settings::Map;
pub use unordered::{MapUnordered, OutputsUnordered};
