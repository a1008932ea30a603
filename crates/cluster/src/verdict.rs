//! Outcomes as they travel.

use std::time::Duration;

use pool::{Death, DeathCause, Failure, Job, Outcome, Panic};
use serde::{Deserialize, Serialize};
use wire::{CodecError, CodecKind};

/// What became of a job. Borrowed on the way out, owned on the way in.
#[derive(Serialize, Deserialize)]
pub(crate) enum Verdict<T, E, P> {
    Done(T),
    Failed(E),
    Panicked(P),
    Crashed { pid: u32, cause: Cause, attempts: u32 },
    Memory { pid: u32, cause: Cause, attempts: u32 },
    TimedOut { limit: Duration, attempts: u32 },
    Refused(String),
    Lost { attempts: u32, cause: String },
}

/// [`DeathCause`], which knows nothing of serialization.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Cause {
    Exited(i32),
    Signalled(i32),
}

type Outgoing<'a, J> = Verdict<&'a <J as Job>::Output, &'a <J as Job>::Error, &'a Panic>;
type Incoming<J> = Verdict<<J as Job>::Output, <J as Job>::Error, Panic>;

/// Why an outcome must not be stored: the job has to run somewhere else.
pub(crate) enum NoVerdict {
    Cancelled,
    Broken(std::sync::Arc<str>),
}

/// Appends an outcome's bytes.
pub(crate) fn encode<J: Job>(outcome: &Outcome<J>, into: &mut Vec<u8>) -> Result<(), NoVerdict> {
    let verdict: Outgoing<'_, J> = match outcome {
        Ok(output) => Verdict::Done(output),
        Err(Failure::Failed(error)) => Verdict::Failed(error),
        Err(Failure::Panicked(panic)) => Verdict::Panicked(panic),
        Err(Failure::Crashed { death, attempts }) => {
            Verdict::Crashed { pid: death.pid, cause: death.cause.into(), attempts: *attempts }
        }
        Err(Failure::Memory { death, attempts }) => {
            Verdict::Memory { pid: death.pid, cause: death.cause.into(), attempts: *attempts }
        }
        Err(Failure::TimedOut { limit, attempts }) => {
            Verdict::TimedOut { limit: *limit, attempts: *attempts }
        }
        Err(Failure::Codec(message)) => Verdict::Refused(message.clone()),
        Err(Failure::Unsupported(message)) => Verdict::Refused((*message).to_owned()),
        Err(Failure::Lost { attempts, cause }) => {
            Verdict::Lost { attempts: *attempts, cause: String::from(&**cause) }
        }
        Err(Failure::Cancelled) => return Err(NoVerdict::Cancelled),
        Err(Failure::Abandoned(cause)) => return Err(NoVerdict::Broken(cause.clone())),
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
        Verdict::Failed(error) => Err(Failure::Failed(error)),
        Verdict::Panicked(panic) => Err(Failure::Panicked(Box::new(panic))),
        Verdict::Crashed { pid, cause, attempts } => {
            Err(Failure::Crashed { death: Death { pid, cause: cause.into() }, attempts })
        }
        Verdict::Memory { pid, cause, attempts } => {
            Err(Failure::Memory { death: Death { pid, cause: cause.into() }, attempts })
        }
        Verdict::TimedOut { limit, attempts } => Err(Failure::TimedOut { limit, attempts }),
        Verdict::Refused(message) => Err(Failure::Codec(message)),
        Verdict::Lost { attempts, cause } => Err(Failure::Lost { attempts, cause: cause.into() }),
    })
}

impl From<DeathCause> for Cause {
    fn from(cause: DeathCause) -> Cause {
        match cause {
            DeathCause::Exited(code) => Cause::Exited(code),
            DeathCause::Signalled(signal) => Cause::Signalled(signal),
        }
    }
}

impl From<Cause> for DeathCause {
    fn from(cause: Cause) -> DeathCause {
        match cause {
            Cause::Exited(code) => DeathCause::Exited(code),
            Cause::Signalled(signal) => DeathCause::Signalled(signal),
        }
    }
}
