//! The start of a worker: page, process, rendezvous, handshake.

use std::{io, os::fd::AsFd, sync::Arc};

use job::{Death, DeathCause, Panic, WorkerId};
use nix::sys::signal::Signal;
use sched::StartFailure;
use sys::{
    call::{CallError, is_out_of_descriptors},
    page::Page,
    spawn::{ProcessBuilder, SpawnError},
};
use wire::{
    Closed, Inbox, Message, Outbox, Rendezvous, RendezvousError, Role, Tag, Transport,
    handshake::{Hello, Mismatch, Started, Welcome, pack, unpack},
    ring,
};

use super::{handle::Handle, recipe::Recipe};

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("cannot start a worker: {0}")]
    Prepare(CallError),
    #[error("cannot start {program:?}: {error}")]
    Spawn { program: std::path::PathBuf, error: io::Error },
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    #[error("starting a worker panicked: {0}")]
    Panicked(Panic),
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
    #[error("the worker ran out of memory while it started")]
    Memory,
}

impl From<CallError> for LaunchError {
    fn from(error: CallError) -> LaunchError {
        if error.is_out_of_descriptors() {
            RendezvousError::Descriptors(error).into()
        } else {
            LaunchError::Prepare(error)
        }
    }
}

impl LaunchError {
    fn of_spawn(error: SpawnError, recipe: &Recipe) -> LaunchError {
        match error {
            SpawnError::Call(error) => error.into(),
            SpawnError::Program(error) if is_out_of_descriptors(&error) => {
                CallError::new("execve", error).into()
            }
            SpawnError::Program(error) => LaunchError::Spawn { program: recipe.program.clone(), error },
        }
    }

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
    let (page, descriptor) = Page::create()?;
    let page = handle.page.get_or_init(|| Arc::new(page));
    if counts {
        handle.gauge.watch(page);
    }
    let rendezvous = Rendezvous::open()?;
    let role = Role::new(recipe.job_type, rendezvous.name(), descriptor.as_fd());
    let spawned = builder(recipe, handle.id, &role).spawn(descriptor.as_fd());
    let process = handle.adopt(spawned.map_err(|error| LaunchError::of_spawn(error, recipe))?);

    let link = rendezvous.accept(process)?;
    let mut inbox = Inbox::new(link.receiver);
    handle.connect(Outbox::new(link.sender));
    let hello: Hello = unpack(&listen(&mut inbox, handle)?).map_err(|_| LaunchError::Unintelligible)?;
    hello.check(recipe.job_type)?;
    handle.send(pack(&Welcome {
        codec: recipe.codec.number(),
        transport: recipe.transport,
        max_memory: recipe.max_memory,
        max_outcome: recipe.max_outcome,
        context: recipe.context.clone(),
    }));
    let started = unpack(&listen(&mut inbox, handle)?).map_err(|_| LaunchError::Unintelligible)?;
    match started {
        Started::Ready if handle.answered() => Ok(match recipe.transport {
            Transport::Channel => inbox,
            Transport::Rings => {
                let link = ring::parent_link(page.clone());
                handle.connect(Outbox::with_capacity(link.sender, page.requests().capacity()));
                Inbox::new(link.receiver)
            }
        }),
        Started::Ready => Err(LaunchError::Unintelligible),
        Started::Failed(reason) => Err(LaunchError::Context(reason)),
    }
}

/// The process that a worker will be. No variable of the recipe's can take the place of the role.
fn builder(recipe: &Recipe, worker: WorkerId, role: &Role) -> ProcessBuilder {
    let mut builder = ProcessBuilder::new(&recipe.program);
    builder.arg0("runner-worker").placement(recipe.place(worker));
    builder.env("RUNNER_SLOT", worker.slot.to_string());
    builder.env("RUNNER_GENERATION", worker.generation.to_string());
    for (name, value) in &recipe.environment {
        match value {
            Some(value) => builder.env(name, value),
            None => builder.env_remove(name),
        };
    }
    let (name, value) = role.variable();
    builder.env(name, value);
    builder
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
