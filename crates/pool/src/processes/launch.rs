//! The start of a worker: page, process, rendezvous, handshake.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio},
    sync::Arc,
};

use job::{Death, DeathCause};
use nix::sys::signal::Signal;
use sched::StartFailure;
use sys::page::Page;
use wire::{
    Closed, Inbox, Message, Outbox, Rendezvous, RendezvousError, Tag,
    handshake::{Hello, Mismatch, Started, Welcome, pack, unpack},
};

use super::{handle::Handle, recipe::Recipe};

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("no memory to share with a worker: {0}")]
    Page(io::Error),
    #[error("cannot start {program:?}: {error}")]
    Spawn { program: std::path::PathBuf, error: io::Error },
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    #[error("the worker broke off the handshake: {0}")]
    Handshake(Closed),
    #[error("the worker said something else than its name")]
    Unintelligible,
    #[error("the worker does not fit: {0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0}")]
    Context(String),
    #[error("the worker was not ready in time")]
    Late,
}

impl LaunchError {
    /// What it says about the next attempt, with the end that the worker came to by itself or by somebody else.
    pub(crate) fn verdict(&self, death: Option<Death>) -> StartFailure {
        match self {
            LaunchError::Mismatch(_) | LaunchError::Context(_) | LaunchError::Unintelligible => {
                StartFailure::Final
            }
            LaunchError::Late => StartFailure::Own,
            _ => match death.map(|death| death.cause) {
                Some(DeathCause::Signalled(signal)) if signal == Signal::SIGKILL as i32 => {
                    StartFailure::Killed
                }
                _ => StartFailure::Own,
            },
        }
    }
}

/// Starts a worker and answers with the end that receives from it. The handle knows the process from the moment it
/// exists, also if the rest fails.
pub(crate) fn launch(recipe: &Recipe, handle: &Handle, counts: bool) -> Result<Inbox, LaunchError> {
    let (page, descriptor) = Page::create().map_err(LaunchError::Page)?;
    let page = handle.page.get_or_init(|| Arc::new(page));
    if counts {
        handle.gauge.watch(page);
    }
    let rendezvous = Rendezvous::open()?;
    let arguments = serve::worker_arguments(recipe.job_type, rendezvous.name(), descriptor.as_raw_fd());
    let mut command = Command::new(&recipe.program);
    command.arg0("runner-worker").args(arguments).stdin(Stdio::null());
    for (name, value) in &recipe.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let spawned = sys::process::Process::spawn(&mut command, descriptor.as_fd(), recipe.place(handle.id));
    let process = spawned.map_err(|error| LaunchError::Spawn { program: recipe.program.clone(), error })?;
    let process = handle.adopt(process);

    let link = rendezvous.accept(process)?;
    let mut inbox = Inbox::new(link.receiver);
    handle.connect(Outbox::new(link.sender));
    let hello: Hello = unpack(&listen(&mut inbox, handle)?).map_err(|_| LaunchError::Unintelligible)?;
    hello.check(recipe.job_type)?;
    handle.send(pack(&Welcome {
        codec: recipe.codec.number(),
        max_memory: recipe.max_memory,
        max_outcome: recipe.max_outcome,
        context: recipe.context.clone(),
    }));
    let started = unpack(&listen(&mut inbox, handle)?).map_err(|_| LaunchError::Unintelligible)?;
    match started {
        Started::Ready if handle.answered() => Ok(inbox),
        Started::Ready => Err(LaunchError::Unintelligible),
        Started::Failed(reason) => Err(LaunchError::Context(reason)),
    }
}

/// The worker's next word; receipts for parts of a large welcome may come before it.
fn listen(inbox: &mut Inbox, handle: &Handle) -> Result<Message, LaunchError> {
    loop {
        let message = inbox.receive(|| Ok(())).map_err(LaunchError::Handshake)?;
        if message.tag() != Some(Tag::PartTaken) {
            return Ok(message);
        }
        if !handle.part_taken() {
            return Err(LaunchError::Unintelligible);
        }
    }
}
