//! How a job can end.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Death, Job};

/// The end of one job: its output, or why there is none.
pub type Outcome<J> = Result<<J as Job>::Output, Failure<<J as Job>::Error>>;

/// Why a job has no output. `E` is the job's own error type.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The job ran and reported this error.
    #[error("the job failed")]
    Failed(E),
    /// The job panicked; its worker lives on.
    #[error("the job panicked: {0}")]
    Panicked(Panic),
    /// Its worker died in it, on each of this many attempts; the death is the last one.
    #[error("the job's worker died: {death} (attempt {attempts})")]
    Crashed {
        /// How the worker ended.
        death: Death,
        /// How often the job was started.
        attempts: u32,
    },
    /// It ran past its time limit and its worker was killed.
    #[error("the job ran longer than {limit:?} (attempt {attempts})")]
    TimedOut {
        /// The limit that it passed.
        limit: Duration,
        /// How often the job was started.
        attempts: u32,
    },
    /// It was cancelled before it had an outcome.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool broke before the job had an outcome; every job it still held shares the cause.
    #[error("the pool broke: {0}")]
    Abandoned(Arc<str>),
    /// The job, its output or its error could not be encoded or decoded.
    #[error("{0}")]
    Codec(String),
    /// The executor cannot do what the job asks for.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// What is known of a panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The panic's message.
    pub message: String,
    /// `file:line:column`, where it is known.
    pub location: Option<String>,
    /// The calls that led to it, one frame after the other, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for
    /// them.
    pub backtrace: Option<String>,
}

/// Message and place; the backtrace too with `{:#}`.
impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        match &self.backtrace {
            Some(backtrace) if f.alternate() => write!(f, "\n{backtrace}"),
            _ => Ok(()),
        }
    }
}
