//! Details of reasons why a job has no output.

use std::{sync::Arc, time::Duration};

use crate::{Crash, Death};

/// Details of [`JobError::Crashed`](crate::JobError::Crashed).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker died: {death} (attempt {attempts}){}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct Crashed {
    /// Exit status of the worker, or of the program that ran the job for it; of the last attempt.
    pub death: Death,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts with other causes: the first of each cause.
    pub earlier: Box<[Death]>,
    /// Details of the program that ran the job for the worker, if that crashed.
    pub program: Option<Arc<Crash>>,
}

impl Crashed {
    /// Describes the last of some attempts that ended alike.
    #[must_use]
    pub fn new(death: Death, attempts: u32) -> Crashed {
        Crashed { death, attempts, earlier: Box::default(), program: None }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> Crashed {
        Crashed { earlier, ..self }
    }

    /// Sets the details of the program that ran the job for the worker.
    #[must_use]
    pub fn with_program(self, program: Option<Arc<Crash>>) -> Crashed {
        Crashed { program, ..self }
    }
}

/// Details of [`JobError::OutOfMemory`](crate::JobError::OutOfMemory).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker ran out of memory: {death}{}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct OutOfMemory {
    /// Exit status of the worker.
    pub death: Death,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts with other causes: the first of each cause.
    pub earlier: Box<[Death]>,
}

impl OutOfMemory {
    /// Describes the last of some attempts that ended alike.
    #[must_use]
    pub fn new(death: Death, attempts: u32) -> OutOfMemory {
        OutOfMemory { death, attempts, earlier: Box::default() }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> OutOfMemory {
        OutOfMemory { earlier, ..self }
    }
}

/// Details of [`JobError::Denied`](crate::JobError::Denied).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox does not allow what the job did: {death}{}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct Denied {
    /// Exit status of the worker: killed by SIGSYS.
    pub death: Death,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts with other causes: the first of each cause.
    pub earlier: Box<[Death]>,
}

impl Denied {
    /// Describes the last of some attempts.
    #[must_use]
    pub fn new(death: Death, attempts: u32) -> Denied {
        Denied { death, attempts, earlier: Box::default() }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> Denied {
        Denied { earlier, ..self }
    }
}

/// Details of [`JobError::TimedOut`](crate::JobError::TimedOut).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job ran longer than {limit:?} (attempt {attempts}){}", earlier_attempts(earlier))]
#[non_exhaustive]
pub struct TimedOut {
    /// The limit.
    pub limit: Duration,
    /// Number of times the job was started.
    pub attempts: u32,
    /// Deaths of earlier attempts: the first of each cause.
    pub earlier: Box<[Death]>,
}

impl TimedOut {
    /// Describes a job that exceeded this limit on each of its attempts.
    #[must_use]
    pub fn new(limit: Duration, attempts: u32) -> TimedOut {
        TimedOut { limit, attempts, earlier: Box::default() }
    }

    /// Sets the deaths of earlier attempts.
    #[must_use]
    pub fn with_earlier(self, earlier: Box<[Death]>) -> TimedOut {
        TimedOut { earlier, ..self }
    }
}

/// Details of [`JobError::Lost`](crate::JobError::Lost).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
#[non_exhaustive]
pub struct Lost {
    /// Number of times the job was assigned.
    pub attempts: u32,
    /// Description of the cause.
    pub cause: Arc<str>,
}

impl Lost {
    /// Describes a job that was lost on each of these attempts, the last time for this cause.
    #[must_use]
    pub fn new(attempts: u32, cause: impl Into<Arc<str>>) -> Lost {
        Lost { attempts, cause: cause.into() }
    }
}

/// Returns the end of an error message that lists the deaths of earlier attempts; empty if there are none.
fn earlier_attempts(deaths: &[Death]) -> String {
    let deaths: Vec<String> = deaths.iter().map(Death::to_string).collect();
    if deaths.is_empty() { String::new() } else { format!("; earlier attempts: {}", deaths.join(", ")) }
}
