//! The start of a worker: page, process, rendezvous, handshake, one step after another.

use std::{io, os::fd::AsFd, sync::Arc};

use job::{Death, DeathCause, Panic, WorkerId};
use nix::sys::signal::Signal;
use sched::StartFailure;
use sys::{
    call::{CallError, is_out_of_descriptors},
    shared_page::SharedPage,
    spawn::{ProcessBuilder, SpawnError},
};
use wire::{
    Closed, Inbox, Link, Message, Outbox, Rendezvous, RendezvousError, Role, Tag, Transport,
    handshake::{Hello, Mismatch, Started, Welcome, pack, unpack},
    ring,
};

use super::{handle::Handle, spawn_config::SpawnConfig};

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("cannot start a worker: {0}")]
    Prepare(CallError),
    #[error("cannot start {program:?}: {error}")]
    Spawn { program: std::path::PathBuf, error: io::Error },
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    #[error("cannot wait for a worker: {0}")]
    EpollSet(io::Error),
    #[error("starting a worker panicked: {0}")]
    Panicked(Panic),
    #[error("the worker broke off the handshake: {0}")]
    Handshake(Closed),
    #[error("the worker said something else than its name")]
    Protocol,
    #[error("the worker does not fit: {0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0}")]
    Context(String),
    #[error("the worker was not ready in time")]
    Timeout,
    #[error("the worker ran out of memory while it started")]
    OutOfMemory,
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
    fn of_spawn(error: SpawnError, spawn_config: &SpawnConfig) -> LaunchError {
        match error {
            SpawnError::Call(error) => error.into(),
            SpawnError::Program(error) if is_out_of_descriptors(&error) => {
                CallError::new("execve", error).into()
            }
            SpawnError::Program(error) => LaunchError::Spawn { program: spawn_config.program.clone(), error },
        }
    }

    /// What it says about the next attempt, with the end that the worker came to by itself or by somebody else.
    pub(crate) fn start_failure(&self, death: Option<Death>) -> StartFailure {
        match self {
            LaunchError::Mismatch(_) | LaunchError::Context(_) | LaunchError::Protocol => StartFailure::Final,
            LaunchError::Timeout => StartFailure::Own,
            _ => match death.map(|death| death.cause) {
                Some(DeathCause::Signalled(signal)) if signal == Signal::SIGKILL as i32 => {
                    StartFailure::Killed
                }
                _ => StartFailure::Own,
            },
        }
    }
}

/// A worker that is not ready yet, by what is expected of it next. No step waits for it.
pub(crate) enum Launch {
    /// It rings when it has joined.
    Connecting(Rendezvous),
    /// Another thread accepts it.
    Accepting,
    /// It says who it is.
    AwaitingHello(Inbox),
    /// It says whether its state is made.
    AwaitingReady(Inbox),
}

/// How far a launch is.
pub(crate) enum LaunchProgress {
    Pending(Launch),
    /// The worker has to be accepted, which may take as long as it lives.
    Accept(Rendezvous),
    Ready(Inbox),
}

impl Launch {
    /// Starts the process. The handle knows it from the moment it exists, also if the rest fails.
    pub(crate) fn begin(
        spawn_config: &SpawnConfig,
        handle: &Handle,
        counts: bool,
    ) -> Result<Launch, LaunchError> {
        let (page, descriptor) = match spawn_config.transport {
            Transport::Rings => SharedPage::create()?,
            Transport::Channel => SharedPage::create_without_rings()?,
        };
        let page = handle.page.get_or_init(|| Arc::new(page));
        if counts {
            handle.metrics.attach_page(page);
        }
        let rendezvous = Rendezvous::open(page)?;
        let role = Role::new(spawn_config.job_type, rendezvous.name(), descriptor.as_fd());
        let spawned = builder(spawn_config, handle.id, &role).spawn(descriptor.as_fd());
        handle.set_process(spawned.map_err(|error| LaunchError::of_spawn(error, spawn_config))?);
        Ok(Launch::Connecting(rendezvous))
    }

    /// The worker has joined.
    pub(crate) fn accepted(link: Link, handle: &Handle) -> Launch {
        handle.connect(Outbox::new(link.sender));
        Launch::AwaitingHello(Inbox::new(link.receiver))
    }

    /// Takes what the worker, which has rung, has said so far.
    pub(crate) fn advance(
        self,
        spawn_config: &SpawnConfig,
        handle: &Handle,
    ) -> Result<LaunchProgress, LaunchError> {
        match self {
            Launch::Connecting(rendezvous) => Ok(LaunchProgress::Accept(rendezvous)),
            Launch::Accepting => Ok(LaunchProgress::Pending(Launch::Accepting)),
            Launch::AwaitingHello(mut inbox) => match next_message(&mut inbox, handle)? {
                Some(message) => {
                    send_welcome(&message, spawn_config, handle)?;
                    Launch::AwaitingReady(inbox).advance(spawn_config, handle)
                }
                None => Ok(LaunchProgress::Pending(Launch::AwaitingHello(inbox))),
            },
            Launch::AwaitingReady(mut inbox) => match next_message(&mut inbox, handle)? {
                Some(message) => finish(&message, inbox, spawn_config, handle).map(LaunchProgress::Ready),
                None => Ok(LaunchProgress::Pending(Launch::AwaitingReady(inbox))),
            },
        }
    }

    /// What the end of the process means.
    pub(crate) fn error_on_exit(&self) -> LaunchError {
        match self {
            Launch::Connecting(_) | Launch::Accepting => {
                RendezvousError::Silent("it has ended".into()).into()
            }
            Launch::AwaitingHello(_) | Launch::AwaitingReady(_) => LaunchError::Handshake(Closed::Gone),
        }
    }
}

/// Answers the worker's first word.
fn send_welcome(message: &Message, spawn_config: &SpawnConfig, handle: &Handle) -> Result<(), LaunchError> {
    let hello: Hello = unpack(message).map_err(|_| LaunchError::Protocol)?;
    hello.check(spawn_config.job_type)?;
    handle.send(pack(&Welcome {
        codec: spawn_config.codec.number(),
        transport: spawn_config.transport,
        max_memory: spawn_config.max_memory,
        max_outcome: spawn_config.max_outcome,
        context: spawn_config.context.clone(),
    }));
    Ok(())
}

/// Returns where outcomes will come from, if the worker says that it is ready.
fn finish(
    message: &Message,
    inbox: Inbox,
    spawn_config: &SpawnConfig,
    handle: &Handle,
) -> Result<Inbox, LaunchError> {
    match unpack(message).map_err(|_| LaunchError::Protocol)? {
        Started::Ready if handle.answered() => Ok(match (spawn_config.transport, handle.page.get()) {
            (Transport::Rings, Some(page)) => {
                let link = ring::parent_link(page.clone());
                handle.connect(Outbox::with_capacity(link.sender, page.requests().capacity()));
                Inbox::new(link.receiver)
            }
            _ => inbox,
        }),
        Started::Ready => Err(LaunchError::Protocol),
        Started::Failed(reason) => Err(LaunchError::Context(reason)),
    }
}

/// The process that a worker will be. No variable of the recipe's can take the place of the role.
fn builder(spawn_config: &SpawnConfig, worker: WorkerId, role: &Role) -> ProcessBuilder {
    let mut builder = ProcessBuilder::new(&spawn_config.program);
    builder.arg0("runner-worker").placement(spawn_config.placement(worker));
    builder.env("RUNNER_SLOT", worker.slot.to_string());
    builder.env("RUNNER_GENERATION", worker.generation.to_string());
    for (name, value) in &spawn_config.environment {
        match value {
            Some(value) => builder.env(name, value),
            None => builder.env_remove(name),
        };
    }
    let (name, value) = role.variable();
    builder.env(name, value);
    builder
}

/// The worker's next word, if it is there; otherwise the worker will ring. Receipts for parts of a large welcome may come
/// before it.
fn next_message(inbox: &mut Inbox, handle: &Handle) -> Result<Option<Message>, LaunchError> {
    loop {
        match inbox.try_message().map_err(LaunchError::Handshake)? {
            Some(message) if message.tag() != Some(Tag::PartReceived) => return Ok(Some(message)),
            Some(_) if !handle.part_received() => return Err(LaunchError::Protocol),
            Some(_) => {}
            None if inbox.ask_for_ring(true) => {}
            None => return Ok(None),
        }
    }
}
