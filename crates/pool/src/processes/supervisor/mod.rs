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
mod end;
mod watch;
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
    incoming::Time,
    launch::{Launch, LaunchError},
    mailbox::Mailbox,
    shared::Shared,
    turn::Turn,
};
use crate::PoolEvent;
use watch::{News, Source, Watch};
use worker::{Next, Worker};

pub(super) use deputy::Progress;

/// The supervisor, as other threads know it.
pub(super) struct SupervisorHandle {
    state: Mutex<State>,
    /// Whether it waits, which it does only when it has taken all messages, or has ended.
    is_waiting: AtomicBool,
    /// Number of messages that were taken, and of looks for them.
    progress: AtomicU64,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// What wakes the supervisor; none while there is none.
    watch: Option<Arc<Watch>>,
}

enum Request {
    Start(Arc<Handle>),
    /// A worker was accepted, or was not.
    Accepted(WorkerId, Result<Link, RendezvousError>),
}

/// Has a worker started, by a supervisor that is started if there is none.
pub(super) fn start<J: Job>(shared: &Arc<Shared<J>>, handle: &Arc<Handle>) {
    if let Err(error) = request(shared, Request::Start(handle.clone())) {
        let cause = format!("no thread for a worker: {error}");
        end::give_up(shared, handle, StartFailure::Own, &cause, || Turn::begin(shared));
    }
}

fn request<J: Job>(shared: &Arc<Shared<J>>, request: Request) -> io::Result<()> {
    let mut state = shared.supervisor.state.lock();
    if let Some(watch) = &state.watch {
        watch.wake();
    } else {
        let watch = Arc::new(Watch::new()?);
        let (shared, theirs) = (shared.clone(), watch.clone());
        shared.crew.clone().spawn("runner-supervisor".into(), move || run(&shared, &theirs))?;
        state.watch = Some(watch);
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
            state.watch = None;
            return None;
        }
        Some(mem::take(&mut state.requests))
    }

    fn has_requests(&self) -> bool {
        !self.state.lock().requests.is_empty()
    }
}

fn run<J: Job>(shared: &Arc<Shared<J>>, watch: &Watch) {
    let attended = shared.ledger.thread("supervisor", Stage::Start);
    let time = Time::Thread(attended.lane());
    shared.supervisor.is_waiting.store(false, Ordering::Relaxed);
    let mut supervisor =
        Supervisor { shared, watch, lane: attended.lane(), time: &time, workers: HashMap::new() };
    while let Some(requests) = shared.supervisor.take_requests(!supervisor.workers.is_empty()) {
        requests.into_iter().for_each(|request| supervisor.fulfil(request));
        // A request may have been the end of the last of them.
        if !supervisor.workers.is_empty() {
            supervisor.look_for_messages();
            supervisor.wait().into_iter().for_each(|news| supervisor.handle(news));
            supervisor.kill_overdue();
        }
    }
    shared.supervisor.is_waiting.store(true, Ordering::Relaxed);
}

/// Owner of all workers of a pool.
struct Supervisor<'a, J: Job> {
    shared: &'a Arc<Shared<J>>,
    watch: &'a Watch,
    lane: &'a StageTimer,
    /// The account of the same thread.
    time: &'a Time<'a>,
    workers: HashMap<WorkerId, Worker>,
}

impl<J: Job> Supervisor<'_, J> {
    fn fulfil(&mut self, request: Request) {
        match request {
            Request::Start(handle) => self.begin(handle),
            Request::Accepted(id, accepted) => {
                let Some(mut worker) = self.workers.remove(&id) else { return };
                worker.resume(accepted);
                self.advance(worker);
            }
        }
    }

    fn begin(&mut self, handle: Arc<Handle>) {
        self.lane.enter(Stage::Start);
        let begun = caught(|| Launch::begin(&self.shared.recipe, &handle, self.shared.ledger.counts()));
        let (Some(page), Some(process)) = (handle.page.get(), handle.process.get()) else {
            return self.end(Worker::new(handle, begun));
        };
        if let Err(error) = self.watch.add(handle.id, page.door(), process) {
            process.signal_group(Signal::SIGKILL);
            return self.end(Worker::new(handle, Err(LaunchError::Watch(error))));
        }
        self.workers.insert(handle.id, Worker::new(handle, begun));
    }

    /// Waits until something has happened.
    fn wait(&self) -> Vec<News> {
        let overdue = self.workers.values().filter_map(|worker| worker.kill_at).min();
        let time = overdue.map(|at| at.saturating_duration_since(Instant::now()));
        self.lane.enter(Stage::Wait);
        self.shared.supervisor.is_waiting.store(true, Ordering::Relaxed);
        let news = self.watch.wait(time);
        self.shared.supervisor.is_waiting.store(false, Ordering::Relaxed);
        news
    }

    fn handle(&mut self, News { worker: id, source }: News) {
        let Some(mut worker) = self.workers.remove(&id) else { return };
        match source {
            Source::Process => {
                self.watch.remove(&worker.handle);
                worker.note_end();
                self.advance(worker);
            }
            Source::Door => {
                if worker.has_rung() {
                    self.advance(worker);
                } else {
                    self.watch.remove_door(&worker.handle);
                    worker.expect_end();
                    self.workers.insert(id, worker);
                }
            }
        }
    }

    /// Takes what the worker has sent.
    fn advance(&mut self, mut worker: Worker) {
        if worker.is_launching() {
            self.lane.enter(Stage::Start);
            match worker.advance(&self.shared.recipe) {
                Next::Nothing => {}
                Next::Accept(rendezvous) => self.accept(&mut worker, rendezvous),
                Next::Serve(mailbox) => self.serve(&worker.handle, mailbox),
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
        handle.gauge.note_ready();
        handle.set_may_spin(self.shared.may_spin());
        let pid = handle.pid().unwrap_or(0);
        self.shared.audience.hear(|| PoolEvent::WorkerReady { worker: handle.id, pid, at: clock::now() });
        let mut turn = self.time.turn(self.shared);
        turn.hear(sched::Event::Ready(handle.id));
        turn.end();
        self.receive(handle);
    }

    /// Has the worker accepted by a thread that ends with it.
    fn accept(&self, worker: &mut Worker, rendezvous: Rendezvous) {
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
        if let Err(panic) = catch_panic(|| mailbox.empty(|received| incoming.take(received))) {
            handle.expel(&format!("the worker was killed because its link is spoilt: {}", panic.message));
        }
    }

    /// Looks for messages for a while before sleeping, as long as there are cores to spare and no other thread does.
    fn look_for_messages(&self) {
        while self.shared.may_spin() && !self.shared.has_helping_caller() {
            let helper = Helper::begin(self.shared, self.time);
            let has_news = || {
                helper.take_messages()
                    || self.shared.has_helping_caller()
                    || self.shared.supervisor.has_requests()
            };
            let goes_on = helper.has_workers() && self.shared.poller.poll(POLL, has_news);
            drop(helper);
            if !goes_on || self.shared.supervisor.has_requests() {
                return;
            }
        }
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        let is_overdue = |worker: &&mut Worker| worker.kill_at.is_some_and(|at| at <= now);
        self.workers.values_mut().filter(is_overdue).for_each(Worker::kill);
    }
}

fn caught<T>(act: impl FnOnce() -> Result<T, LaunchError>) -> Result<T, LaunchError> {
    // ipc-channel panics on what no peer of ours sends, but also when the system refuses it something, which may be over soon:
    // the start is tried again.
    catch_panic(act).unwrap_or_else(|panic| Err(LaunchError::Panicked(panic)))
}

/// How long a worker that has closed its link may take to end before it is killed. A death that takes its time, as by the
/// kernel's hand on a busy machine, is not ours.
const LAST_BREATH: Duration = Duration::from_millis(400);
