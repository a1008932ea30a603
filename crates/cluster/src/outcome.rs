//! Wire format of outcomes.

use std::{sync::Arc, time::Duration};

use pool::{Crash, Death, DeathCause, Job, JobError, Outcome, Panic};
use serde::{Deserialize, Serialize};
use wire::{CodecError, CodecKind};

/// An outcome on the wire. Borrowed for encoding, owned after decoding.
#[derive(Serialize, Deserialize)]
pub(crate) enum WireOutcome<T, E, P> {
    Done(T),
    Failed(E),
    Panicked(P),
    Crashed { death: WireDeath, attempts: u32, earlier: Vec<WireDeath>, program: Option<Crash> },
    Memory { death: WireDeath, attempts: u32, earlier: Vec<WireDeath> },
    TimedOut { limit: Duration, attempts: u32, earlier: Vec<WireDeath> },
    Refused(String),
    Lost { attempts: u32, cause: String },
}

/// Serializable form of [`Death`].
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum WireDeath {
    Exited { pid: u32, code: i32 },
    Signalled { pid: u32, signal: i32 },
}

type BorrowedOutcome<'a, J> = WireOutcome<&'a <J as Job>::Output, &'a <J as Job>::Error, &'a Panic>;
type OwnedOutcome<J> = WireOutcome<<J as Job>::Output, <J as Job>::Error, Panic>;

/// Why an outcome must not be stored: the job has to run on another node.
pub(crate) enum NotStorable {
    Cancelled,
    Broken(Arc<str>),
}

/// Appends an encoded outcome. One that cannot be encoded becomes `Refused` with the error.
pub(crate) fn encode<J: Job>(outcome: &Outcome<J>, into: &mut Vec<u8>) -> Result<(), NotStorable> {
    let outcome: BorrowedOutcome<'_, J> = match outcome {
        Ok(output) => WireOutcome::Done(output),
        Err(JobError::Failed(error)) => WireOutcome::Failed(error),
        Err(JobError::Panicked(panic)) => WireOutcome::Panicked(panic),
        Err(JobError::Crashed { death, attempts, earlier, program }) => WireOutcome::Crashed {
            death: (*death).into(),
            attempts: *attempts,
            earlier: wire_deaths(earlier),
            program: program.as_deref().cloned(),
        },
        Err(JobError::Memory { death, attempts, earlier }) => {
            WireOutcome::Memory { death: (*death).into(), attempts: *attempts, earlier: wire_deaths(earlier) }
        }
        Err(JobError::TimedOut { limit, attempts, earlier }) => {
            WireOutcome::TimedOut { limit: *limit, attempts: *attempts, earlier: wire_deaths(earlier) }
        }
        Err(JobError::Codec(message)) => WireOutcome::Refused(message.clone()),
        Err(JobError::Unsupported(message)) => WireOutcome::Refused((*message).to_owned()),
        Err(JobError::Lost { attempts, cause }) => {
            WireOutcome::Lost { attempts: *attempts, cause: String::from(&**cause) }
        }
        Err(JobError::Cancelled) => return Err(NotStorable::Cancelled),
        Err(JobError::Abandoned(cause)) => return Err(NotStorable::Broken(cause.clone())),
    };
    if let Err(error) = CodecKind::Bincode.encode(&outcome, into) {
        // Encoding a string cannot fail.
        let refused: BorrowedOutcome<'_, J> = WireOutcome::Refused(error.to_string());
        let _ = CodecKind::Bincode.encode(&refused, into);
    }
    Ok(())
}

/// Decodes an outcome.
pub(crate) fn decode<J: Job>(bytes: &[u8]) -> Result<Outcome<J>, CodecError> {
    let outcome: OwnedOutcome<J> = CodecKind::Bincode.decode(bytes)?;
    Ok(match outcome {
        WireOutcome::Done(output) => Ok(output),
        WireOutcome::Failed(error) => Err(JobError::Failed(error)),
        WireOutcome::Panicked(panic) => Err(JobError::Panicked(Box::new(panic))),
        WireOutcome::Crashed { death, attempts, earlier, program } => {
            let program = program.map(Arc::new);
            Err(JobError::Crashed { death: death.into(), attempts, earlier: deaths(&earlier), program })
        }
        WireOutcome::Memory { death, attempts, earlier } => {
            Err(JobError::Memory { death: death.into(), attempts, earlier: deaths(&earlier) })
        }
        WireOutcome::TimedOut { limit, attempts, earlier } => {
            Err(JobError::TimedOut { limit, attempts, earlier: deaths(&earlier) })
        }
        WireOutcome::Refused(message) => Err(JobError::Codec(message)),
        WireOutcome::Lost { attempts, cause } => Err(JobError::Lost { attempts, cause: cause.into() }),
    })
}

fn wire_deaths(deaths: &[Death]) -> Vec<WireDeath> {
    deaths.iter().map(|&death| death.into()).collect()
}

fn deaths(wire_deaths: &[WireDeath]) -> Box<[Death]> {
    wire_deaths.iter().map(|&death| death.into()).collect()
}

impl From<Death> for WireDeath {
    fn from(Death { pid, cause }: Death) -> WireDeath {
        match cause {
            DeathCause::Exited(code) => WireDeath::Exited { pid, code },
            DeathCause::Signalled(signal) => WireDeath::Signalled { pid, signal },
        }
    }
}

impl From<WireDeath> for Death {
    fn from(death: WireDeath) -> Death {
        match death {
            WireDeath::Exited { pid, code } => Death { pid, cause: DeathCause::Exited(code) },
            WireDeath::Signalled { pid, signal } => Death { pid, cause: DeathCause::Signalled(signal) },
        }
    }
}
