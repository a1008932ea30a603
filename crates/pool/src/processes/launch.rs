//! Start of a worker, step by step: shared page, process, rendezvous, handshake.

use std::{io, os::fd::AsFd, sync::Arc};

use job::{Death, DeathCause, Panic, WorkerId};
use nix::sys::signal::Signal;
use sched::StartFailure;
use sys::{
    call::{CallError, is_out_of_descriptors},
    process_name,
    shared_page::SharedPage,
    spawn::{ProcessBuilder, SpawnError},
};
use wire::{
    Closed, Inbox, Link, Message, Outbox, Rendezvous, RendezvousError, Role, Tag, Transport, catch_panic,
    handshake::{Hello, Mismatch, Started, Welcome, pack, unpack},
    ring,
};

use super::{handle::Handle, spawn_config::SpawnConfig};

/// Error of starting a worker.
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
    #[error("handshake with the worker failed: {0}")]
    Handshake(Closed),
    #[error("unexpected message in the handshake with the worker")]
    Protocol,
    #[error("the worker is incompatible: {0}")]
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
            SpawnError::Program(error) => {
                LaunchError::Spawn { program: spawn_config.program.path.clone(), error }
            }
        }
    }

    /// Returns what this error implies for the next attempt. `death` is how the worker died, unless this pool
    /// killed it.
    pub(crate) fn start_failure(&self, death: Option<Death>) -> StartFailure {
        match self {
            LaunchError::Mismatch(_) | LaunchError::Context(_) | LaunchError::Protocol => {
                StartFailure::Permanent
            }
            LaunchError::Timeout => StartFailure::Transient,
            _ => match death.map(|death| death.cause) {
                Some(DeathCause::Signalled(signal)) if signal == Signal::SIGKILL as i32 => {
                    StartFailure::Killed
                }
                _ => StartFailure::Transient,
            },
        }
    }
}

/// State of a launch, by the step that is expected next. No step blocks.
pub(crate) enum Launch {
    /// The worker rings its doorbell when it has connected.
    Connecting(Rendezvous),
    /// Another thread accepts the connection.
    Accepting,
    /// The worker sends its identity.
    AwaitingHello(Inbox),
    /// The worker sends whether it has created its state.
    AwaitingReady(Inbox),
}

/// Result of a step.
pub(crate) enum LaunchProgress {
    Pending(Launch),
    /// The connection has to be accepted, which may block until the worker exits.
    Accept(Rendezvous),
    Ready(Inbox),
}

impl Launch {
    /// Spawns the process. It is registered in `handle` as soon as it exists, even if a later part fails.
    pub(crate) fn begin(
        spawn_config: &SpawnConfig,
        handle: &Handle,
        timed: bool,
    ) -> Result<Launch, LaunchError> {
        let (page, descriptor) = match spawn_config.transport {
            Transport::Rings => SharedPage::create()?,
            Transport::Channel => SharedPage::create_without_rings()?,
        };
        let page = handle.page.get_or_init(|| Arc::new(page));
        if timed {
            handle.metrics.attach_page(page);
        }
        let rendezvous = Rendezvous::open(page)?;
        let role = Role::new(spawn_config.job_type, rendezvous.name(), descriptor.as_fd());
        let mut builder = builder(spawn_config, handle.id, &role);
        let capture = spawn_config.stdio.connect(handle.id, &mut builder)?;
        handle.capture.get_or_init(|| capture);
        let spawned = builder.spawn(descriptor.as_fd());
        handle.set_process(spawned.map_err(|error| LaunchError::of_spawn(error, spawn_config))?);
        Ok(Launch::Connecting(rendezvous))
    }

    /// Continues with the accepted connection.
    pub(crate) fn accepted(link: Link, handle: &Handle) -> Launch {
        handle.connect(Outbox::new(link.sender));
        Launch::AwaitingHello(Inbox::new(link.receiver))
    }

    /// Handles the messages that have arrived, after the worker has rung its doorbell.
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

    /// Returns the error for a process that exited in this state.
    pub(crate) fn error_on_exit(&self) -> LaunchError {
        match self {
            Launch::Connecting(_) | Launch::Accepting => {
                RendezvousError::NotConnected("the process has exited".into()).into()
            }
            Launch::AwaitingHello(_) | Launch::AwaitingReady(_) => LaunchError::Handshake(Closed::Gone),
        }
    }
}

/// Checks the worker's hello and answers it.
fn send_welcome(message: &Message, spawn_config: &SpawnConfig, handle: &Handle) -> Result<(), LaunchError> {
    let hello: Hello = unpack(message).map_err(|_| LaunchError::Protocol)?;
    hello.check(spawn_config.job_type)?;
    handle.send(pack(&Welcome {
        codec: spawn_config.codec.number(),
        transport: spawn_config.transport,
        max_memory: spawn_config.max_memory,
        max_outcome: spawn_config.max_outcome,
        sandbox: spawn_config.sandbox.settings().clone(),
        context: spawn_config.context.clone(),
    }));
    Ok(())
}

/// Completes the handshake if the worker is ready; returns the receiving end for outcomes.
fn finish(
    message: &Message,
    inbox: Inbox,
    spawn_config: &SpawnConfig,
    handle: &Handle,
) -> Result<Inbox, LaunchError> {
    match unpack(message).map_err(|_| LaunchError::Protocol)? {
        Started::Ready { sandbox_gaps } if handle.answered() => {
            spawn_config.sandbox.note_gaps(sandbox_gaps);
            Ok(match (spawn_config.transport, handle.page.get()) {
                (Transport::Rings, Some(page)) => {
                    let link = ring::parent_link(page.clone());
                    handle.connect(Outbox::with_capacity(link.sender, page.requests().capacity()));
                    Inbox::new(link.receiver)
                }
                _ => inbox,
            })
        }
        Started::Ready { .. } => Err(LaunchError::Protocol),
        Started::Failed(reason) => Err(LaunchError::Context(reason)),
    }
}

/// Returns the builder of the worker process. The variable of the role is set last, so that no configured
/// variable overrides it.
fn builder(spawn_config: &SpawnConfig, worker: WorkerId, role: &Role) -> ProcessBuilder {
    let program = &spawn_config.program;
    let mut builder = ProcessBuilder::new(&program.path);
    if program.args.is_empty() {
        builder.arg0(process_name::of_worker(&program.name, worker.slot));
    }
    builder.args(&program.args);
    builder.placement(spawn_config.placement(worker));
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

/// Returns the worker's next message, if there is one; otherwise the worker will ring its doorbell. Receipts
/// for parts of a large welcome may come first.
fn next_message(inbox: &mut Inbox, handle: &Handle) -> Result<Option<Message>, LaunchError> {
    loop {
        match inbox.try_message().map_err(LaunchError::Handshake)? {
            Some(message) if message.tag() != Some(Tag::PartReceived) => return Ok(Some(message)),
            Some(_) if !handle.part_received() => return Err(LaunchError::Protocol),
            Some(_) => {}
            None if inbox.request_ring(true) => {}
            None => return Ok(None),
        }
    }
}

/// Runs a step of a launch; a panic is returned as an error.
pub(super) fn catch_launch_panic<T>(act: impl FnOnce() -> Result<T, LaunchError>) -> Result<T, LaunchError> {
    // ipc-channel panics on messages that a correct peer never sends, but also when a system call fails. That
    // may be temporary, so the start is retried.
    catch_panic(act).unwrap_or_else(|panic| Err(LaunchError::Panicked(panic)))
}
