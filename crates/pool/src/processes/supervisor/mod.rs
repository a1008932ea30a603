//! The thread that starts workers, receives from them, and reaps them.
//!
//! There is one for all workers of a pool, from the first start until no worker is left. It has to live as long as any of
//! them, because the system kills a process with the thread that spawned it. It waits for all of them at a time (`watch`):
//! for doorbells, for the ends of processes, and for requests of other threads. Nothing that it does for one worker waits for
//! that worker. The only call that may, ipc-channel's `accept`, is made by a thread that ends with it.
//!
//! It calls sinks and callbacks with outcomes that no other thread has taken. While one of them blocks, a [`deputy`] receives
//! from the other workers; starts and ends of workers wait. Time limits do not, because those are the clock's.

mod deputy;
mod epoll_set;
mod reap;
mod worker;

use std::{
    collections::HashMap,
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use job::{Job, Stage, WorkerId};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use sched::StartFailure;
use sys::{clock, stage_timer::StageTimer};
use wire::{Link, POLL, Rendezvous, RendezvousError, catch_panic};

use super::{
    handle::Handle,
    help::Helper,
    incoming::TimeAccount,
    launch::{Launch, LaunchError},
    mailbox::Mailbox,
    shared::ProcessShared,
    transaction::Transaction,
};
use crate::PoolEvent;
use epoll_set::{EpollSet, Source, WatchEvent};
use worker::{LaunchStep, SupervisedWorker};

pub(super) use deputy::ProgressMonitor;

/// The supervisor, as other threads know it.
pub(super) struct SupervisorHandle {
    state: Mutex<SupervisorState>,
    /// Whether it waits, which it does only when it has taken all messages, or has ended.
    is_waiting: AtomicBool,
    /// Number of messages that were taken, and of looks for them.
    progress: AtomicU64,
}

#[derive(Default)]
struct SupervisorState {
    requests: Vec<Request>,
    /// What wakes the supervisor; none while there is none.
    epoll_set: Option<Arc<EpollSet>>,
}

enum Request {
    Start(Arc<Handle>),
    /// A worker was accepted, or was not.
    Accepted(WorkerId, Result<Link, RendezvousError>),
}

/// Has a worker started, by a supervisor that is started if there is none.
pub(super) fn start<J: Job>(shared: &Arc<ProcessShared<J>>, handle: &Arc<Handle>) {
    if let Err(error) = request(shared, Request::Start(handle.clone())) {
        let cause = format!("cannot start the supervisor thread: {error}");
        reap::give_up(shared, handle, StartFailure::Own, &cause, || Transaction::begin(shared));
    }
}

fn request<J: Job>(shared: &Arc<ProcessShared<J>>, request: Request) -> io::Result<()> {
    let mut state = shared.supervisor.state.lock();
    if let Some(epoll_set) = &state.epoll_set {
        epoll_set.wake();
    } else {
        let epoll_set = Arc::new(EpollSet::new()?);
        let (shared, theirs) = (shared.clone(), epoll_set.clone());
        shared.crew.clone().spawn("runner-supervisor".into(), move || run(&shared, &theirs))?;
        state.epoll_set = Some(epoll_set);
    }
    state.requests.push(request);
    Ok(())
}

impl Default for SupervisorHandle {
    fn default() -> SupervisorHandle {
        SupervisorHandle {
            state: Mutex::default(),
            is_waiting: AtomicBool::new(true),
            progress: AtomicU64::new(0),
        }
    }
}

impl SupervisorHandle {
    /// A message is taken, or was looked for.
    pub(super) fn note_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Whether the supervisor has nothing to do.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// What was requested. If that is nothing and there are no workers, the supervisor has to end, which `None` says.
    fn take_requests(&self, has_workers: bool) -> Option<Vec<Request>> {
        let mut state = self.state.lock();
        if state.requests.is_empty() && !has_workers {
            state.epoll_set = None;
            return None;
        }
        Some(mem::take(&mut state.requests))
    }

    fn has_requests(&self) -> bool {
        !self.state.lock().requests.is_empty()
    }
}

fn run<J: Job>(shared: &Arc<ProcessShared<J>>, epoll_set: &EpollSet) {
    let timer_guard = shared.accounting.thread("supervisor", Stage::Start);
    let time = TimeAccount::Thread(timer_guard.timer());
    shared.supervisor.is_waiting.store(false, Ordering::Relaxed);
    let mut supervisor =
        Supervisor { shared, epoll_set, timer: timer_guard.timer(), time: &time, workers: HashMap::new() };
    while let Some(requests) = shared.supervisor.take_requests(!supervisor.workers.is_empty()) {
        requests.into_iter().for_each(|request| supervisor.handle_request(request));
        // A request may have been the end of the last of them.
        if !supervisor.workers.is_empty() {
            supervisor.poll_messages();
            supervisor.wait().into_iter().for_each(|event| supervisor.handle_event(event));
            supervisor.kill_overdue();
        }
    }
    shared.supervisor.is_waiting.store(true, Ordering::Relaxed);
}

/// Owner of all workers of a pool.
struct Supervisor<'a, J: Job> {
    shared: &'a Arc<ProcessShared<J>>,
    epoll_set: &'a EpollSet,
    timer: &'a StageTimer,
    /// The account of the same thread.
    time: &'a TimeAccount<'a>,
    workers: HashMap<WorkerId, SupervisedWorker>,
}

impl<J: Job> Supervisor<'_, J> {
    fn handle_request(&mut self, request: Request) {
        match request {
            Request::Start(handle) => self.start_worker(handle),
            Request::Accepted(id, accepted) => {
                let Some(mut worker) = self.workers.remove(&id) else { return };
                worker.resume(accepted);
                self.advance(worker);
            }
        }
    }

    fn start_worker(&mut self, handle: Arc<Handle>) {
        self.timer.enter(Stage::Start);
        let launch = catch_launch_panic(|| {
            Launch::begin(&self.shared.spawn_config, &handle, self.shared.accounting.counts())
        });
        let (Some(page), Some(process)) = (handle.page.get(), handle.process.get()) else {
            return self.end(SupervisedWorker::new(handle, launch));
        };
        if let Err(error) = self.epoll_set.add(handle.id, page.door(), process) {
            process.signal_group(Signal::SIGKILL);
            return self.end(SupervisedWorker::new(handle, Err(LaunchError::EpollSet(error))));
        }
        self.workers.insert(handle.id, SupervisedWorker::new(handle, launch));
    }

    /// Waits until something has happened.
    fn wait(&self) -> Vec<WatchEvent> {
        let overdue = self.workers.values().filter_map(|worker| worker.kill_at).min();
        let time = overdue.map(|at| at.saturating_duration_since(Instant::now()));
        self.timer.enter(Stage::Wait);
        self.shared.supervisor.is_waiting.store(true, Ordering::Relaxed);
        let events = self.epoll_set.wait(time);
        self.shared.supervisor.is_waiting.store(false, Ordering::Relaxed);
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

    /// Takes what the worker has sent.
    fn advance(&mut self, mut worker: SupervisedWorker) {
        if worker.is_launching() {
            self.timer.enter(Stage::Start);
            match worker.advance(&self.shared.spawn_config) {
                LaunchStep::Nothing => {}
                LaunchStep::Accept(rendezvous) => self.spawn_accept(&mut worker, rendezvous),
                LaunchStep::Serve(mailbox) => self.serve(&worker.handle, mailbox),
            }
        } else {
            self.receive(&worker.handle);
        }
        if worker.is_over() {
            self.end(worker);
        } else {
            self.workers.insert(worker.handle.id, worker);
        }
    }

    /// A launch has succeeded.
    fn serve(&self, handle: &Handle, mailbox: Mailbox) {
        handle.mailbox.get_or_init(|| mailbox);
        handle.metrics.note_ready();
        handle.set_may_spin(self.shared.may_spin());
        let pid = handle.pid().unwrap_or(0);
        self.shared.audience.hear(|| PoolEvent::WorkerReady { worker: handle.id, pid, at: clock::now() });
        let mut transaction = self.time.begin_transaction(self.shared);
        transaction.apply(sched::Event::Ready(handle.id));
        transaction.commit();
        self.receive(handle);
    }

    /// Has the worker accepted by a thread that ends with it.
    fn spawn_accept(&self, worker: &mut SupervisedWorker, rendezvous: Rendezvous) {
        let (id, page) = (worker.handle.id, worker.handle.page.get().cloned());
        let Some(page) = page else { return };
        let shared = self.shared.clone();
        let accepting = move || {
            let accepted = rendezvous.accept(page);
            // There is a supervisor as long as there is a worker.
            let _ = request(&shared, Request::Accepted(id, accepted));
        };
        if let Err(error) = self.shared.crew.spawn(format!("runner-accept-{}", id.slot), accepting) {
            worker.resume(Err(RendezvousError::Thread(error)));
        }
    }

    /// Takes all messages of a worker.
    fn receive(&self, handle: &Handle) {
        let Some(mailbox) = handle.mailbox.get() else { return };
        let incoming = self.incoming(handle);
        // ipc-channel panics on what no peer of ours sends.
        if let Err(panic) = catch_panic(|| mailbox.drain(|received| incoming.handle_received(received))) {
            handle.kill_for_protocol_error(format_args!("its link is corrupt: {}", panic.message));
        }
    }

    /// Looks for messages for a while before sleeping, as long as there are cores to spare and no other thread does.
    fn poll_messages(&self) {
        while self.shared.may_spin() && !self.shared.has_helping_caller() {
            let helper = Helper::begin(self.shared, self.time);
            let found_messages = || {
                helper.take_messages()
                    || self.shared.has_helping_caller()
                    || self.shared.supervisor.has_requests()
            };
            let goes_on = helper.has_workers() && self.shared.poller.poll(POLL, found_messages);
            drop(helper);
            if !goes_on || self.shared.supervisor.has_requests() {
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

fn catch_launch_panic<T>(act: impl FnOnce() -> Result<T, LaunchError>) -> Result<T, LaunchError> {
    // ipc-channel panics on what no peer of ours sends, but also when the system refuses it something, which may be over soon:
    // the start is tried again.
    catch_panic(act).unwrap_or_else(|panic| Err(LaunchError::Panicked(panic)))
}

/// How long a worker that has closed its link may take to end before it is killed. A death that takes its time, as by the
/// kernel's hand on a busy machine, is not ours.
const EXIT_GRACE: Duration = Duration::from_millis(400);
