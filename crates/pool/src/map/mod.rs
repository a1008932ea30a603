//! A job for each item of an iterator.
//!
//! | file | concern |
//! |---|---|
//! | `ordered`, `unordered` | what a caller sees |
//! | `stream` | jobs in, outcomes out |
//! | `feed` | how many jobs are under way |
//! | `arrivals` | outcomes, and who waits for them |

mod arrivals;
mod feed;
mod ordered;
mod stream;
mod unordered;

pub use ordered::{Map, Outputs};
pub use unordered::{MapUnordered, OutputsUnordered};
