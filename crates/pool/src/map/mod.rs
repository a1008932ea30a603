//! `map` and `map_unordered`: one job for each item of an iterator.
//!
//! | file | concern |
//! |---|---|
//! | `ordered`, `unordered` | the public types |
//! | `stream` | the iteration: pushes jobs, receives outcomes |
//! | `producer` | reads items and pushes jobs; the number of jobs in flight |
//! | `completion_queue` | outcomes that have not been received, and waiting for them |

mod completion_queue;
mod ordered;
mod producer;
mod stream;
mod unordered;

pub use ordered::{Map, Outputs};
pub use unordered::{MapUnordered, OutputsUnordered};
