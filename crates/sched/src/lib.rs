//! The scheduler: decides which worker runs which jobs, and what follows from deaths and limits.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! [`Sched::handle`] takes a point in time and an [`Event`] and returns [`Action`]s. It has no clock, thread,
//! file or socket, so a test can replay any sequence of events, and the same sequence always gives the same
//! actions.
//!
//! The scheduler sees jobs as ranges of numbers; the pool holds their bytes. At any time a job is in exactly
//! one place: in the queue, in one batch of one worker, or resolved.
//!
//! | files | content |
//! |---|---|
//! | `event`, `settings` | input and output |
//! | `queue`, `fifo`, `priority`, `queue_time`, `job_table`, `attempts` | jobs |
//! | `workers`, `worker`, `starts`, `backoff`, `start_times`, `recycling`, `spare` | workers |
//! | `sizing`, `cost` | size of a batch |
//! | `pauses` | times that do not count against limits |
//! | `state`, `invariants` | the whole state and queries of it |
//! | `cancel`, `stop`, `limits`, `resident` | what ends jobs and workers |
//! | `admission`, `dispatch`, `outcomes`, `collection`, `death`, `rebalance` | what becomes of jobs |
//! | `handle` | the entry point, which selects the change for an event |

mod admission;
mod attempts;
mod backoff;
mod cancel;
mod collection;
mod cost;
mod death;
mod dispatch;
mod event;
mod fifo;
mod handle;
mod invariants;
mod job_table;
mod limits;
mod outcomes;
mod pauses;
mod priority;
mod queue;
mod queue_time;
mod rebalance;
mod recycling;
mod resident;
mod settings;
mod sizing;
mod spare;
mod start_times;
mod starts;
mod state;
mod stop;
mod worker;
mod workers;

pub use cost::MeanCost;
pub use event::{Action, Event, JobLimits, StartFailure, Verdict};
pub use resident::RSS_CHECK_INTERVAL;
pub use settings::{BatchSize, OnWorkerDeath, Settings};
pub use state::Sched;
