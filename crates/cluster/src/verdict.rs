//! Outcomes as they travel.

use std::{sync::Arc, time::Duration};

use pool::{Crash, Death, DeathCause, Job, JobError, Outcome, Panic};
use serde::{Deserialize, Serialize};
use wire::{CodecError, CodecKind};

/// What became of a job. Borrowed on the way out, owned on the way in.
#[derive(Serialize, Deserialize)]
pub(crate) enum Verdict<T, E, P> {
    Done(T),
    Failed(E),
    Panicked(P),
    Crashed { death: End, attempts: u32, earlier: Vec<End>, program: Option<Crash> },
    Memory { death: End, attempts: u32, earlier: Vec<End> },
    TimedOut { limit: Duration, attempts: u32, earlier: Vec<End> },
    Refused(String),
    Lost { attempts: u32, cause: String },
}

/// [`Death`], which knows nothing of serialization.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum End {
    Exited { pid: u32, code: i32 },
    Signalled { pid: u32, signal: i32 },
}

type Outgoing<'a, J> = Verdict<&'a <J as Job>::Output, &'a <J as Job>::Error, &'a Panic>;
type Incoming<J> = Verdict<<J as Job>::Output, <J as Job>::Error, Panic>;

/// Why an outcome must not be stored: the job has to run somewhere else.
pub(crate) enum NoVerdict {
    Cancelled,
    Broken(Arc<str>),
}

/// Appends an outcome's bytes.
pub(crate) fn encode<J: Job>(outcome: &Outcome<J>, into: &mut Vec<u8>) -> Result<(), NoVerdict> {
    let verdict: Outgoing<'_, J> = match outcome {
        Ok(output) => Verdict::Done(output),
        Err(JobError::Failed(error)) => Verdict::Failed(error),
        Err(JobError::Panicked(panic)) => Verdict::Panicked(panic),
        Err(JobError::Crashed { death, attempts, earlier, program }) => Verdict::Crashed {
            death: (*death).into(),
            attempts: *attempts,
            earlier: ends(earlier),
            program: program.as_deref().cloned(),
        },
        Err(JobError::Memory { death, attempts, earlier }) => {
            Verdict::Memory { death: (*death).into(), attempts: *attempts, earlier: ends(earlier) }
        }
        Err(JobError::TimedOut { limit, attempts, earlier }) => {
            Verdict::TimedOut { limit: *limit, attempts: *attempts, earlier: ends(earlier) }
        }
        Err(JobError::Codec(message)) => Verdict::Refused(message.clone()),
        Err(JobError::Unsupported(message)) => Verdict::Refused((*message).to_owned()),
        Err(JobError::Lost { attempts, cause }) => {
            Verdict::Lost { attempts: *attempts, cause: String::from(&**cause) }
        }
        Err(JobError::Cancelled) => return Err(NoVerdict::Cancelled),
        Err(JobError::Abandoned(cause)) => return Err(NoVerdict::Broken(cause.clone())),
    };
    if let Err(error) = CodecKind::Bincode.encode(&verdict, into) {
        // A string can always be encoded.
        let refused: Outgoing<'_, J> = Verdict::Refused(error.to_string());
        let _ = CodecKind::Bincode.encode(&refused, into);
    }
    Ok(())
}

/// The outcome of these bytes.
pub(crate) fn decode<J: Job>(bytes: &[u8]) -> Result<Outcome<J>, CodecError> {
    let verdict: Incoming<J> = CodecKind::Bincode.decode(bytes)?;
    Ok(match verdict {
        Verdict::Done(output) => Ok(output),
        Verdict::Failed(error) => Err(JobError::Failed(error)),
        Verdict::Panicked(panic) => Err(JobError::Panicked(Box::new(panic))),
        Verdict::Crashed { death, attempts, earlier, program } => {
            let program = program.map(Arc::new);
            Err(JobError::Crashed { death: death.into(), attempts, earlier: deaths(&earlier), program })
        }
        Verdict::Memory { death, attempts, earlier } => {
            Err(JobError::Memory { death: death.into(), attempts, earlier: deaths(&earlier) })
        }
        Verdict::TimedOut { limit, attempts, earlier } => {
            Err(JobError::TimedOut { limit, attempts, earlier: deaths(&earlier) })
        }
        Verdict::Refused(message) => Err(JobError::Codec(message)),
        Verdict::Lost { attempts, cause } => Err(JobError::Lost { attempts, cause: cause.into() }),
    })
}

fn ends(deaths: &[Death]) -> Vec<End> {
    deaths.iter().map(|&death| death.into()).collect()
}

fn deaths(ends: &[End]) -> Box<[Death]> {
    ends.iter().map(|&end| end.into()).collect()
}

impl From<Death> for End {
    fn from(Death { pid, cause }: Death) -> End {
        match cause {
            DeathCause::Exited(code) => End::Exited { pid, code },
            DeathCause::Signalled(signal) => End::Signalled { pid, signal },
        }
    }
}

impl From<End> for Death {
    fn from(end: End) -> Death {
        match end {
            End::Exited { pid, code } => Death { pid, cause: DeathCause::Exited(code) },
            End::Signalled { pid, signal } => Death { pid, cause: DeathCause::Signalled(signal) },
        }
    }
}
