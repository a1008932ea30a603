//! The timeline of a run, for [Perfetto](https://ui.perfetto.dev) and other viewers of trace events.
//!
//! | file | concern |
//! |---|---|
//! | `recorder` | hears what happens in the pool |
//! | `book` | what is remembered of it |
//! | `life` | what is remembered of one worker |
//! | `names` | the numbers of jobs |
//! | `sampling` | what is left out, so that the memory for it is bounded |
//! | `lanes` | what stands where on which line |
//! | `event` | the format of an event |
//! | `file` | the file |

mod book;
mod event;
mod file;
mod lanes;
mod life;
mod names;
mod recorder;
mod sampling;

pub(crate) use file::Timeline;
