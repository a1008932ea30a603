//! The timeline of a run, for [Perfetto](https://ui.perfetto.dev) and other viewers of trace events.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! | file | concern |
//! |---|---|
//! | `recorder` | records the events of the pool |
//! | `timeline` | the recorded data of a run |
//! | `worker_trace` | the recorded data of one worker |
//! | `job_numbers` | sets of job numbers |
//! | `sampling` | drops events, so that the memory is bounded |
//! | `tracks` | assigns events to the tracks of the viewer |
//! | `event` | the format of an event |
//! | `file` | writes the file |

mod event;
mod file;
mod job_numbers;
mod recorder;
mod sampling;
mod timeline;
mod tracks;
mod worker_trace;

pub use file::Timeline;
