//! Wire format of outcomes.

use std::{sync::Arc, time::Duration};

use pool::{
    Job, JobError,
    error::{Crash, Crashed, Death, DeathCause, Denied, Lost, OutOfMemory, Panic, TimedOut},
    future::Outcome,
};
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
    Denied { death: WireDeath, attempts: u32, earlier: Vec<WireDeath> },
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
        Err(JobError::Crashed(crashed)) => WireOutcome::Crashed {
            death: crashed.death.into(),
            attempts: crashed.attempts,
            earlier: wire_deaths(&crashed.earlier),
            program: crashed.program.as_deref().cloned(),
        },
        Err(JobError::OutOfMemory(exhausted)) => WireOutcome::Memory {
            death: exhausted.death.into(),
            attempts: exhausted.attempts,
            earlier: wire_deaths(&exhausted.earlier),
        },
        Err(JobError::Denied(denied)) => WireOutcome::Denied {
            death: denied.death.into(),
            attempts: denied.attempts,
            earlier: wire_deaths(&denied.earlier),
        },
        Err(JobError::TimedOut(timed_out)) => WireOutcome::TimedOut {
            limit: timed_out.limit,
            attempts: timed_out.attempts,
            earlier: wire_deaths(&timed_out.earlier),
        },
        Err(JobError::Codec(message)) => WireOutcome::Refused(message.to_string()),
        Err(JobError::Unsupported(message)) => WireOutcome::Refused((*message).to_owned()),
        Err(JobError::Lost(lost)) => {
            WireOutcome::Lost { attempts: lost.attempts, cause: String::from(&*lost.cause) }
        }
        Err(JobError::Broken(cause)) => return Err(NotStorable::Broken(cause.clone())),
        // Cancelled, or an error of waiting for a future.
        Err(_) => return Err(NotStorable::Cancelled),
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
            let crashed = Crashed::new(death.into(), attempts);
            Err(crashed.with_earlier(deaths(&earlier)).with_program(program).into())
        }
        WireOutcome::Memory { death, attempts, earlier } => {
            Err(OutOfMemory::new(death.into(), attempts).with_earlier(deaths(&earlier)).into())
        }
        WireOutcome::TimedOut { limit, attempts, earlier } => {
            Err(TimedOut::new(limit, attempts).with_earlier(deaths(&earlier)).into())
        }
        WireOutcome::Refused(message) => Err(JobError::Codec(message.into())),
        WireOutcome::Lost { attempts, cause } => Err(Lost::new(attempts, cause).into()),
        WireOutcome::Denied { death, attempts, earlier } => {
            Err(Denied::new(death.into(), attempts).with_earlier(deaths(&earlier)).into())
        }
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
