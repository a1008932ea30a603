//! Settings of a submitter.

use std::time::Duration;

use super::submit_event::SubmitEvent;
use crate::{Queue, RunId, StreamSettings};

/// Settings of a submitter.
#[derive(Clone, Debug)]
pub struct SubmitSettings {
    /// Queue to submit to.
    pub queue: Queue,
    /// Name of the run. A run of the same name is resumed, if the same jobs are pushed in the same order.
    pub run: RunId,
    /// Time limit of jobs that have none of their own.
    pub time_limit: Option<Duration>,
    /// Settings for creating streams that do not exist.
    pub streams: StreamSettings,
    /// Callback for events of the run. It is called on a thread of the run, so it must not wait for the run.
    pub on_event: fn(SubmitEvent),
}
