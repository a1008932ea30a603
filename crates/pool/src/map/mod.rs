//! Iterators over the outputs of [`Executor::map`](crate::Executor::map) and
//! [`Executor::map_unordered`](crate::Executor::map_unordered).

// | file | concern |
// |---|---|
// | `iterator` | the iterators over the outputs |
// | `settings` | settings of a map that has not been started |
// | `stream` | the iteration: pushes jobs, receives outcomes |
// | `producer` | reads items and pushes jobs; the number of jobs in flight |
// | `completion_queue` | outcomes that have not been received, and waiting for them |

mod completion_queue;
mod iterator;
mod producer;
mod settings;
mod stream;

#[doc(hidden)]
pub use completion_queue::{CompletionOrder, InputOrder, Order};
pub use iterator::{Map, MapUnordered};
