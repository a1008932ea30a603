//! A worker, as seen by its supervisor.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use sys::doorbell::Woken;
use wire::{Link, Rendezvous, RendezvousError};

use crate::processes::{
    handle::Handle,
    launch::{Launch, LaunchError, LaunchProgress, catch_launch_panic},
    mailbox::Mailbox,
    spawn_config::SpawnConfig,
};

/// Time that a worker that has closed its link may take to exit before it is killed. It leaves the kernel
/// enough time to finish a kill of its own on a busy machine, so that such a death is not attributed to the
/// pool.
const EXIT_GRACE: Duration = Duration::from_millis(400);

pub(super) struct SupervisedWorker {
    pub(super) handle: Arc<Handle>,
    phase: Phase,
    /// When it is killed, unless it has exited.
    pub(super) kill_at: Option<Instant>,
    /// Whether its process has exited.
    has_exited: bool,
}

enum Phase {
    Launching(Launch),
    Serving,
    /// The launch failed, and the process has to exit.
    Failed(LaunchError),
}

/// What the supervisor has to do after a step of a launch.
pub(super) enum LaunchStep {
    Nothing,
    /// Accept the worker's connection.
    Accept(Rendezvous),
    /// Serve the ready worker, whose messages arrive in this mailbox.
    Serve(Mailbox),
}

impl SupervisedWorker {
    pub(super) fn new(handle: Arc<Handle>, launch: Result<Launch, LaunchError>) -> SupervisedWorker {
        let mut worker = SupervisedWorker { handle, phase: Phase::Serving, kill_at: None, has_exited: false };
        worker.set_launch(launch);
        worker
    }

    /// Continues with the launch, or fails.
    fn set_launch(&mut self, launch: Result<Launch, LaunchError>) {
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

    /// Returns the error that a failed launch is reported as.
    fn refine(&self, error: LaunchError) -> LaunchError {
        match error {
            // Only a worker that exceeds the start timeout is killed before its launch has failed.
            _ if self.handle.was_killed() => LaunchError::Timeout,
            LaunchError::Handshake(_) if self.handle.alloc_failed() => LaunchError::OutOfMemory,
            error => error,
        }
    }

    pub(super) fn is_launching(&self) -> bool {
        !matches!(self.phase, Phase::Serving)
    }

    /// Consumes a ring of the doorbell; returns `false` if the worker has closed its end.
    pub(super) fn has_rung(&self) -> bool {
        let woken = self.handle.page.get().and_then(|page| page.doorbell().try_wait());
        woken != Some(Woken::Ended)
    }

    /// Handles the messages of a worker that is being launched.
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
        self.set_launch(launch);
        next
    }

    /// Continues the launch after the connection was accepted, or accepting it failed.
    pub(super) fn on_accepted(&mut self, accepted: Result<Link, RendezvousError>) {
        if matches!(self.phase, Phase::Launching(Launch::Accepting)) {
            let launch = accepted.map(|link| Launch::accepted(link, &self.handle));
            self.set_launch(launch.map_err(LaunchError::from));
        }
    }

    /// Records that the process has exited, and kills its process group.
    pub(super) fn note_exit(&mut self) {
        self.has_exited = true;
        self.kill_at = None;
        if let Some(process) = self.handle.process.get() {
            // Its descendants may hold its end of the link open, and accepting the connection waits for that
            // end.
            process.signal_group(Signal::SIGKILL);
        }
    }

    /// Returns whether its process has exited and all of its messages were received.
    pub(super) fn is_finished(&self) -> bool {
        self.has_exited && !matches!(self.phase, Phase::Launching(Launch::Accepting))
    }

    /// Sets the time at which the worker is killed if it has not exited, unless it is set.
    pub(super) fn set_exit_deadline(&mut self) {
        if !self.has_exited {
            self.kill_at.get_or_insert_with(|| Instant::now() + EXIT_GRACE);
        }
    }

    pub(super) fn kill(&mut self) {
        self.kill_at = None;
        self.handle.kill();
    }

    /// Returns why the worker never became ready; `None` if it did.
    pub(super) fn into_launch_error(mut self) -> Option<LaunchError> {
        match mem::replace(&mut self.phase, Phase::Serving) {
            Phase::Serving => None,
            Phase::Failed(error) => Some(error),
            Phase::Launching(launch) => Some(self.refine(launch.error_on_exit())),
        }
    }
}
