//! Supervisor: the thread that starts workers, receives from them, and reaps them.
//!
//! There is one for all workers of a pool, from the first start until no worker is left. It has to live as
//! long as any of them, because the system kills a process when the thread that spawned it exits. It waits
//! for all of them at once (`epoll_set`): for doorbells, for exits of processes, for captured output, and for
//! requests of other threads. Nothing that it does for one worker waits for that worker. The only call that
//! may, ipc-channel's `accept`, is made by a thread of its own, which exits after the call.
//!
//! It calls sinks and callbacks with outcomes that no other thread has received. While one of them blocks, a
//! [`deputy`] receives from the other workers; starts and exits of workers are handled later. Time limits
//! stay in force, because they are enforced by the clock thread.

mod deputy;
mod epoll_set;
mod handle;
mod reap;
mod worker;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use job::{Job, Stage, WorkerId};
use nix::sys::signal::Signal;
use sys::{clock, payload, stage_timer::StageTimer};
use wire::{POLL_DURATION, Rendezvous, RendezvousError, catch_panic};

use super::{
    capture::ReadResult,
    handle::Handle,
    help::Helper,
    incoming::{Incoming, TimeAccount},
    launch::{Launch, LaunchError, catch_launch_panic},
    mailbox::Mailbox,
    shared::ProcessShared,
};
use crate::{PoolEvent, output::OutputStream};
use epoll_set::{Source, WatchEvent};
use reap::Reaper;
use worker::{LaunchStep, SupervisedWorker};

pub(super) use deputy::ProgressMonitor;
pub(super) use epoll_set::EpollSet;
pub(super) use handle::{Request, SupervisorHandle};

/// Maximum time of polling for messages before captured output is read.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(5);

/// Runs until there are no requests and no workers.
pub(super) fn run<J: Job>(shared: &Arc<ProcessShared<J>>, epoll_set: &Arc<EpollSet>) {
    let timer_guard = shared.accounting.begin_thread("supervisor", Stage::Start);
    let waker = epoll_set.clone();
    let _keeper = payload::Keeper::of_pool(Box::new(move || waker.wake()));
    let time = TimeAccount::Thread(timer_guard.timer());
    shared.supervisor.set_waiting(false);
    let mut supervisor =
        Supervisor { shared, epoll_set, timer: timer_guard.timer(), time: &time, workers: HashMap::new() };
    while let Some(requests) = shared.supervisor.take_requests(!supervisor.workers.is_empty()) {
        requests.into_iter().for_each(|request| supervisor.handle_request(request));
        // Handling a request may have removed the last worker.
        if !supervisor.workers.is_empty() {
            supervisor.poll_messages();
            supervisor.wait().into_iter().for_each(|event| supervisor.handle_event(event));
            supervisor.kill_overdue();
        }
    }
    shared.supervisor.set_waiting(true);
}

/// Owner of all workers of a pool.
struct Supervisor<'a, J: Job> {
    shared: &'a Arc<ProcessShared<J>>,
    epoll_set: &'a EpollSet,
    timer: &'a StageTimer,
    /// The same timer, as an account for messages.
    time: &'a TimeAccount<'a>,
    workers: HashMap<WorkerId, SupervisedWorker>,
}

impl<J: Job> Supervisor<'_, J> {
    fn handle_request(&mut self, request: Request) {
        match request {
            Request::Start(handle) => self.start_worker(handle),
            Request::Accepted(id, accepted) => {
                let Some(mut worker) = self.workers.remove(&id) else { return };
                worker.on_accepted(accepted);
                self.advance(worker);
            }
            Request::Collect => self.collect(),
        }
    }

    /// Collects the outcomes of the workers for which the clock has requested it.
    fn collect(&self) {
        for worker in self.workers.values() {
            Incoming { shared: self.shared, handle: &worker.handle, time: self.time }.collect_if_requested();
        }
    }

    fn start_worker(&mut self, handle: Arc<Handle>) {
        self.timer.enter(Stage::Start);
        let launch = catch_launch_panic(|| {
            Launch::begin(&self.shared.spawn_config, &handle, self.shared.accounting.enabled())
        });
        let (Some(page), Some(process)) = (handle.page.get(), handle.process.get()) else {
            return self.reap(SupervisedWorker::new(handle, launch));
        };
        let added = self.epoll_set.add(handle.id, page.doorbell(), process);
        let capture = handle.capture.get();
        let added = added
            .and_then(|()| capture.map_or(Ok(()), |capture| self.epoll_set.add_output(handle.id, capture)));
        if let Err(error) = added {
            process.signal_group(Signal::SIGKILL);
            // Some of them may have been added.
            self.epoll_set.remove(&handle);
            return self.reap(SupervisedWorker::new(handle, Err(LaunchError::EpollSet(error))));
        }
        self.workers.insert(handle.id, SupervisedWorker::new(handle, launch));
    }

    /// Reaps a worker and reports its death or its failed start.
    fn reap(&self, worker: SupervisedWorker) {
        self.finish_output(&worker.handle);
        Reaper { shared: self.shared, time: self.time }.reap(worker);
    }

    /// Waits for the next events.
    fn wait(&self) -> Vec<WatchEvent> {
        let overdue = self.workers.values().filter_map(|worker| worker.kill_at).min();
        let overdue = overdue.map(|at| at.saturating_duration_since(Instant::now()));
        let time = overdue.into_iter().chain(payload::time_to_free()).min();
        self.timer.enter(Stage::Wait);
        self.shared.supervisor.set_waiting(true);
        let events = self.epoll_set.wait(time);
        self.shared.supervisor.set_waiting(false);
        payload::free_unused();
        events
    }

    fn handle_event(&mut self, WatchEvent { worker: id, source }: WatchEvent) {
        let Some(mut worker) = self.workers.remove(&id) else { return };
        match source {
            Source::Process => {
                self.epoll_set.remove(&worker.handle);
                worker.note_exit();
                self.advance(worker);
            }
            Source::Output(stream) => {
                self.read_output(&worker.handle, stream);
                self.workers.insert(id, worker);
            }
            Source::Doorbell => {
                if worker.has_rung() {
                    self.advance(worker);
                } else {
                    self.epoll_set.remove_doorbell(&worker.handle);
                    worker.set_exit_deadline();
                    self.workers.insert(id, worker);
                }
            }
        }
    }

    /// Reads captured output of a worker.
    fn read_output(&self, handle: &Handle, stream: OutputStream) {
        self.timer.enter(Stage::Merge);
        let Some(capture) = handle.capture.get() else { return };
        if capture.read(stream, &self.shared.spawn_config.stdio.handler) == ReadResult::Ended {
            self.epoll_set.remove_output(handle, Some(stream));
        }
        self.shared.supervisor.note_progress();
    }

    /// Passes the rest of the output of a worker that has exited.
    fn finish_output(&self, handle: &Handle) {
        if let Some(capture) = handle.capture.get() {
            self.timer.enter(Stage::Merge);
            self.epoll_set.remove_output(handle, None);
            capture.finish(&self.shared.spawn_config.stdio.handler);
        }
    }

    /// Handles the messages that the worker has sent.
    fn advance(&mut self, mut worker: SupervisedWorker) {
        if worker.is_launching() {
            self.timer.enter(Stage::Start);
            match worker.advance(&self.shared.spawn_config) {
                LaunchStep::Nothing => {}
                LaunchStep::Accept(rendezvous) => self.spawn_accept(&mut worker, rendezvous),
                LaunchStep::Serve(mailbox) => self.on_ready(&worker.handle, mailbox),
            }
        } else {
            self.receive(&worker.handle);
        }
        if worker.is_finished() {
            self.reap(worker);
        } else {
            self.workers.insert(worker.handle.id, worker);
        }
    }

    /// Completes a successful launch.
    fn on_ready(&self, handle: &Handle, mailbox: Mailbox) {
        handle.mailbox.get_or_init(|| mailbox);
        handle.metrics.note_ready();
        handle.set_may_spin(self.shared.flush_flags.may_spin());
        let pid = handle.pid().unwrap_or(0);
        self.shared.observers.notify(|| PoolEvent::WorkerReady { worker: handle.id, pid, at: clock::now() });
        let mut transaction = self.time.begin_transaction(self.shared);
        transaction.apply(sched::Event::Ready(handle.id));
        transaction.commit();
        self.receive(handle);
    }

    /// Starts a thread that accepts the worker's connection and then exits.
    fn spawn_accept(&self, worker: &mut SupervisedWorker, rendezvous: Rendezvous) {
        let (id, page) = (worker.handle.id, worker.handle.page.get().cloned());
        let Some(page) = page else { return };
        let shared = self.shared.clone();
        let accepting = move || {
            let accepted = rendezvous.accept(page);
            // The supervisor outlives its workers, so the request cannot fail.
            let _ = ProcessShared::request(&shared, Request::Accepted(id, accepted));
        };
        if let Err(error) = self.shared.threads.spawn(format!("runner-accept-{}", id.slot), accepting) {
            worker.on_accepted(Err(RendezvousError::Thread(error)));
        }
    }

    /// Receives all messages of a worker.
    fn receive(&self, handle: &Handle) {
        let Some(mailbox) = handle.mailbox.get() else { return };
        let incoming = Incoming { shared: self.shared, handle, time: self.time };
        // ipc-channel panics on messages that a correct peer never sends.
        if let Err(panic) = catch_panic(|| mailbox.drain(|received| incoming.handle_received(received))) {
            handle.kill_for_protocol_error(format_args!("its link is corrupt: {}", panic.message));
        }
    }

    /// Polls for messages for a while before sleeping, while there are idle cores and no other thread does.
    fn poll_messages(&self) {
        let start = Instant::now();
        let captures = self.shared.spawn_config.stdio.captures();
        while self.shared.flush_flags.may_spin() && !self.shared.has_helping_caller() {
            let helper = Helper::begin(self.shared, self.time);
            let found_messages = || {
                helper.receive_messages()
                    || self.shared.has_helping_caller()
                    || self.shared.supervisor.has_requests()
            };
            let goes_on = helper.has_workers() && self.shared.poller.poll(POLL_DURATION, found_messages);
            drop(helper);
            let is_output_due = captures && start.elapsed() >= OUTPUT_INTERVAL;
            if !goes_on || is_output_due || self.shared.supervisor.has_requests() {
                return;
            }
        }
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        let is_overdue = |worker: &&mut SupervisedWorker| worker.kill_at.is_some_and(|at| at <= now);
        self.workers.values_mut().filter(is_overdue).for_each(SupervisedWorker::kill);
    }
}
