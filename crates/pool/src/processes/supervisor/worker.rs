//! A worker, as its supervisor knows it.

use std::{mem, sync::Arc, time::Instant};

use nix::sys::signal::Signal;
use sys::doorbell::Woken;
use wire::{Link, Rendezvous, RendezvousError};

use super::{EXIT_GRACE, catch_launch_panic};
use crate::processes::{
    handle::Handle,
    launch::{Launch, LaunchError, LaunchProgress},
    mailbox::Mailbox,
    spawn_config::SpawnConfig,
};

pub(super) struct SupervisedWorker {
    pub(super) handle: Arc<Handle>,
    phase: Phase,
    /// When it is killed unless it has ended.
    pub(super) kill_at: Option<Instant>,
    /// Whether its process has ended.
    has_exited: bool,
}

enum Phase {
    Launching(Launch),
    Serving,
    /// It could not be started, and its process has to go.
    Failed(LaunchError),
}

/// What follows from a step of a launch.
pub(super) enum LaunchStep {
    Nothing,
    /// The worker has to be accepted.
    Accept(Rendezvous),
    /// It is ready, and its messages come from here.
    Serve(Mailbox),
}

impl SupervisedWorker {
    pub(super) fn new(handle: Arc<Handle>, launch: Result<Launch, LaunchError>) -> SupervisedWorker {
        let mut worker = SupervisedWorker { handle, phase: Phase::Serving, kill_at: None, has_exited: false };
        worker.enter(launch);
        worker
    }

    /// Goes on with the launch, or ends it.
    fn enter(&mut self, launch: Result<Launch, LaunchError>) {
        self.phase = match launch {
            Ok(launch) => Phase::Launching(launch),
            Err(error) => {
                let error = self.refine(error);
                self.handle.disconnect();
                self.set_exit_deadline();
                Phase::Failed(error)
            }
        };
    }

    /// The error that a failed launch is reported as.
    fn refine(&self, error: LaunchError) -> LaunchError {
        match error {
            // Only a worker that is late is killed before its launch has failed.
            _ if self.handle.was_killed() => LaunchError::Timeout,
            LaunchError::Handshake(_) if self.handle.alloc_failed() => LaunchError::OutOfMemory,
            error => error,
        }
    }

    pub(super) fn is_launching(&self) -> bool {
        !matches!(self.phase, Phase::Serving)
    }

    /// Takes a ring; returns `false` if the worker has closed its end.
    pub(super) fn has_rung(&self) -> bool {
        let woken = self.handle.page.get().and_then(|page| page.door().try_wait());
        woken != Some(Woken::Ended)
    }

    /// Takes what the worker has said, while it is being launched.
    pub(super) fn advance(&mut self, spawn_config: &SpawnConfig) -> LaunchStep {
        let launch = match mem::replace(&mut self.phase, Phase::Serving) {
            Phase::Launching(launch) => launch,
            other => {
                self.phase = other;
                return LaunchStep::Nothing;
            }
        };
        let (launch, next) = match catch_launch_panic(|| launch.advance(spawn_config, &self.handle)) {
            Ok(LaunchProgress::Ready(inbox)) => return LaunchStep::Serve(Mailbox::new(inbox)),
            Ok(LaunchProgress::Accept(rendezvous)) => (Ok(Launch::Accepting), LaunchStep::Accept(rendezvous)),
            Ok(LaunchProgress::Pending(launch)) => (Ok(launch), LaunchStep::Nothing),
            Err(error) => (Err(error), LaunchStep::Nothing),
        };
        self.enter(launch);
        next
    }

    /// It was accepted, or was not.
    pub(super) fn resume(&mut self, accepted: Result<Link, RendezvousError>) {
        if matches!(self.phase, Phase::Launching(Launch::Accepting)) {
            let launch = accepted.map(|link| Launch::accepted(link, &self.handle));
            self.enter(launch.map_err(LaunchError::from));
        }
    }

    /// Its process has ended.
    pub(super) fn note_exit(&mut self) {
        self.has_exited = true;
        self.kill_at = None;
        if let Some(process) = self.handle.process.get() {
            // What it has left may hold its link, which is waited for while it is accepted.
            process.signal_group(Signal::SIGKILL);
        }
    }

    /// Whether its process has ended and all that it has said is known.
    pub(super) fn is_over(&self) -> bool {
        self.has_exited && !matches!(self.phase, Phase::Launching(Launch::Accepting))
    }

    /// Gives it some time to end.
    pub(super) fn set_exit_deadline(&mut self) {
        if !self.has_exited {
            self.kill_at.get_or_insert_with(|| Instant::now() + EXIT_GRACE);
        }
    }

    pub(super) fn kill(&mut self) {
        self.kill_at = None;
        self.handle.kill();
    }

    /// Why it never served; `None` if it has.
    pub(super) fn into_launch_error(mut self) -> Option<LaunchError> {
        match mem::replace(&mut self.phase, Phase::Serving) {
            Phase::Serving => None,
            Phase::Failed(error) => Some(error),
            Phase::Launching(launch) => Some(self.refine(launch.error_on_exit())),
        }
    }
}
