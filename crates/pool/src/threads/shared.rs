//! Shared state of a pool, and changes of it with their consequences.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use job::{Context, Job, JobError, WorkerId, WorkerStats};
use parking_lot::{Condvar, Mutex, MutexGuard};
use portable::Poller;

use super::{
    hints::{CLOSED, DUE, HAS_SPARE_CORE, Hints, PENDING},
    queue::{Chunk, Entry, Target},
    sizing::Cost,
    state::{LockedState, Wakeup},
};
use crate::{
    JobOptions, SubmitError, available_cores,
    counts::{Counts, OutcomeCounts, PartialCounts},
    future::{Control, Slot, Slots, Ticket},
    pressure::{Gate, Granted, Limits, Permit},
    thread_group::ThreadGroup,
};

/// Time for which a thread that waits for the outcome of a short job polls before it blocks.
const CALLER_POLL_TIME: Duration = Duration::from_micros(20);

/// Maximum number of threads that one change of the state wakes; their claims wake others.
const MAX_WAKEUPS: usize = 2;

/// Bounds of the number of slots that are allocated together, which is the number of jobs submitted before.
const MIN_SLOTS: u64 = 8;
const MAX_SLOTS: u64 = 256;

/// State shared by a pool, its submitters, its threads and its futures.
pub(super) struct ThreadShared<J: Job> {
    /// Main loop of a thread, which is passed the number of the thread.
    main_loop: fn(&Arc<ThreadShared<J>>, usize),
    pub(super) args: <J::Context as Context>::Args,
    pub(super) max_threads: usize,
    /// Jobs are cancelled instead of being run.
    pub(super) stopped: AtomicBool,
    state: CacheAligned<Mutex<LockedState<J>>>,
    pub(super) hints: Hints,
    pub(super) poller: Poller,
    pub(super) threads: Arc<ThreadGroup>,
    /// Cost of the jobs that are submitted one by one.
    submitted_cost: Arc<Cost>,
    /// Present if the queue is bounded.
    pub(super) gate: Option<Arc<Gate>>,
    /// Outcomes of jobs that no thread has run.
    unrun: OutcomeCounts,
}

/// A value in cache lines of its own, because the adjacent fields are read for each job. The alignment is
/// that of two lines, because processors fetch lines in pairs.
#[repr(align(128))]
struct CacheAligned<T>(T);

/// Consequences of a change of the state that are carried out without the lock.
pub(super) struct Followup<J: Job> {
    condvars: Vec<Arc<Condvar>>,
    failed: Vec<Chunk<J>>,
    cause: Option<Arc<str>>,
}

impl<J: Job> Followup<J> {
    fn carry_out(self, shared: &ThreadShared<J>) {
        for condvar in self.condvars {
            condvar.notify_one();
        }
        for chunk in self.failed {
            shared.fail(chunk, || self.cause.clone().map_or(JobError::Cancelled, JobError::Broken));
        }
    }
}

impl<J: Job> ThreadShared<J> {
    pub(super) fn new(
        max_threads: usize,
        args: <J::Context as Context>::Args,
        queue_limits: Limits,
        main_loop: fn(&Arc<ThreadShared<J>>, usize),
    ) -> Arc<ThreadShared<J>> {
        let state = LockedState::new(max_threads, available_cores());
        let hints = Hints::new(state.hints());
        Arc::new(ThreadShared {
            main_loop,
            args,
            max_threads,
            stopped: AtomicBool::new(false),
            state: CacheAligned(Mutex::new(state)),
            hints,
            poller: Poller::new(),
            threads: Arc::default(),
            submitted_cost: Arc::default(),
            gate: queue_limits.gate(),
            unrun: OutcomeCounts::default(),
        })
    }

    /// Accesses the state under the lock, for uses after which no thread has to be woken; other changes go
    /// through [`change`](ThreadShared::change).
    pub(super) fn with_state<R>(&self, access: impl FnOnce(&mut LockedState<J>) -> R) -> R {
        access(&mut self.state.0.lock())
    }

    /// Changes the state, then wakes threads and publishes the hints accordingly.
    pub(super) fn change<R>(this: &Arc<ThreadShared<J>>, change: impl FnOnce(&mut LockedState<J>) -> R) -> R {
        ThreadShared::change_waiting(this, |state| change(state))
    }

    /// Like [`change`](ThreadShared::change), for a change that releases the lock in order to wait.
    pub(super) fn change_waiting<R>(
        this: &Arc<ThreadShared<J>>,
        change: impl FnOnce(&mut MutexGuard<'_, LockedState<J>>) -> R,
    ) -> R {
        let mut state = this.state.0.lock();
        let result = change(&mut state);
        state.urgent &= !state.queue.is_empty();
        let followup = ThreadShared::wake_threads(this, &mut state);
        this.publish(&state);
        let granted = this.gate.as_ref().map(|gate| state.update_gate(gate));
        drop(state);
        granted.into_iter().for_each(Granted::wake);
        followup.carry_out(this);
        result
    }

    pub(super) fn publish(&self, state: &LockedState<J>) {
        self.hints.publish(state.hints());
    }

    /// Selects threads to wake and starts new ones.
    pub(super) fn wake_threads(this: &Arc<ThreadShared<J>>, state: &mut LockedState<J>) -> Followup<J> {
        let mut followup = Followup { condvars: Vec::new(), failed: Vec::new(), cause: None };
        for _ in 0..MAX_WAKEUPS {
            match state.next_wakeup() {
                None => break,
                Some(Wakeup::Parked(condvar)) => followup.condvars.push(condvar),
                Some(Wakeup::Start) => {
                    if let Err(cause) = ThreadShared::start(this, state) {
                        this.note_failed_start(state, &cause, &mut followup);
                        break;
                    }
                }
            }
        }
        followup
    }

    fn start(this: &Arc<ThreadShared<J>>, state: &mut LockedState<J>) -> io::Result<()> {
        let slot = state.stats.len();
        let shared = this.clone();
        this.threads.spawn(format!("runner-{slot}"), move || (shared.main_loop)(&shared, slot))?;
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        state.stats.push(WorkerStats::new(WorkerId { slot, generation: 0 }));
        state.outcomes.push(Arc::default());
        Ok(())
    }

    /// Records that a thread could not be started. The pool continues with the threads that it has; without
    /// any it is broken.
    fn note_failed_start(&self, state: &mut LockedState<J>, cause: &io::Error, followup: &mut Followup<J>) {
        state.threads.note_failed_start();
        if state.threads.started == 0 {
            followup.cause = Some(cause.to_string().into());
            followup.failed = state.break_down(format!("cannot start a thread: {cause}").into());
        }
    }

    /// Returns why a job would be refused.
    pub(super) fn submit_error(&self) -> Option<SubmitError> {
        if self.hints.any(CLOSED) { self.with_state(|state| state.submit_error()) } else { None }
    }

    /// Queues jobs of this priority, or resolves them with a failure if the pool is closed.
    pub(super) fn queue(
        this: &Arc<ThreadShared<J>>,
        target: &Arc<Target<J>>,
        (entries, priority): (VecDeque<Entry<J>>, i32),
    ) {
        let refused = ThreadShared::change(this, |state| {
            state.submitted += entries.len() as u64;
            let chunk = Chunk::new(target.clone(), state.next_ticket, entries);
            match state.submit_error() {
                Some(refused) => Some((refused, chunk)),
                None => {
                    state.queue.push(chunk, priority);
                    None
                }
            }
        });
        if let Some((refused, chunk)) = refused {
            this.fail(chunk, || match &refused {
                SubmitError::Broken(cause) => JobError::Broken(cause.clone()),
                _ => JobError::Cancelled,
            });
        }
    }

    /// Queues a job and returns its slot.
    pub(super) fn submit(
        this: &Arc<ThreadShared<J>>,
        control: &Arc<dyn Control>,
        (job, options): (J, JobOptions),
        permit: Option<Permit>,
    ) -> Result<Slot<J>, SubmitError> {
        let submitted = ThreadShared::change(this, |state| {
            if let Some(refused) = state.submit_error() {
                // Dropping a job or a permit calls user code, so it must not happen under the lock.
                return Err((refused, job, permit));
            }
            let granted = permit.map(|permit| {
                state.admitted.jobs += 1;
                permit.use_for(1, 0)
            });
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.submitted += 1;
            let target = this.slots_for(ticket, &mut state.open_slots, control);
            let slot = target.slot(ticket);
            state.queue.push_one(target, Entry::new(ticket, job, options), options.get_priority());
            Ok((slot, granted))
        });
        let (slot, granted) = submitted.map_err(|(refused, ..)| refused)?;
        granted.into_iter().for_each(Granted::wake);
        Ok(slot)
    }

    /// Returns the target that has the slot of the job with this ticket.
    fn slots_for<'a>(
        &self,
        ticket: u64,
        open: &'a mut Option<(Arc<Target<J>>, u64)>,
        control: &Arc<dyn Control>,
    ) -> &'a Arc<Target<J>> {
        if !matches!(open, Some((_, end)) if ticket < *end) {
            *open = None;
        }
        let (target, _) = open.get_or_insert_with(|| {
            let count = ticket.clamp(MIN_SLOTS, MAX_SLOTS);
            let slots = Slots::new(count as usize, Some(control.clone()));
            (Arc::new(Target::slots(slots, ticket, self.submitted_cost.clone())), ticket + count)
        });
        target
    }

    /// Makes queued jobs due, because a caller waits for one of them.
    pub(super) fn expedite(this: &Arc<ThreadShared<J>>) {
        if this.hints.any(PENDING) && !this.hints.any(DUE) {
            ThreadShared::change(this, |state| state.urgent = true);
        }
    }

    /// Refuses jobs from now on. Those in the queue are run, or cancelled if `cancel` is set.
    pub(super) fn close(this: &Arc<ThreadShared<J>>, cancel: bool) {
        let (condvars, cancelled) = ThreadShared::change(this, |state| {
            state.close();
            (state.threads.wake_all(), if cancel { state.queue.take_all() } else { Vec::new() })
        });
        Followup { condvars, failed: cancelled, cause: None }.carry_out(this);
    }

    /// Breaks the pool because a thread could not create its context.
    pub(super) fn break_down(this: &Arc<ThreadShared<J>>, cause: Arc<str>) {
        let (condvars, failed) = ThreadShared::change(this, |state| {
            let failed = state.break_down(cause.clone());
            (state.threads.wake_all(), failed)
        });
        Followup { condvars, failed, cause: Some(cause) }.carry_out(this);
    }

    /// Resolves jobs that no thread has run.
    pub(super) fn fail(&self, chunk: Chunk<J>, why: impl Fn() -> JobError<J::Error>) {
        self.unrun.add_failed(chunk.entries.len(), &why());
        chunk.fail(why);
    }

    /// Returns the numbers of jobs by state.
    pub(super) fn counts(&self) -> Counts {
        self.with_state(|state| {
            let mut counts = PartialCounts::new(state.submitted, state.queue.len() as u64, 0);
            state.outcomes.iter().for_each(|outcomes| outcomes.add_to(&mut counts));
            self.unrun.add_to(&mut counts);
            counts.complete()
        })
    }

    /// Returns whether jobs are cancelled instead of being run.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Interface of a pool for its futures.
pub(super) struct ThreadController<J: Job>(pub(super) Arc<ThreadShared<J>>);

impl<J: Job> Control for ThreadController<J> {
    /// Jobs have their tickets before their futures exist.
    fn settle(&self) {}

    fn awaited(&self) {
        ThreadShared::expedite(&self.0);
    }

    fn help(&self, time: Duration, is_done: &dyn Fn() -> bool) {
        if self.0.hints.any(HAS_SPARE_CORE) && self.0.submitted_cost.is_short() {
            self.0.poller.poll(time.min(CALLER_POLL_TIME), is_done);
        }
    }

    fn cancel(&self, Ticket(ticket): Ticket) {
        if let Some(removed) = ThreadShared::change(&self.0, |state| state.queue.remove(ticket)) {
            self.0.fail(removed, || JobError::Cancelled);
        }
    }

    fn kill(&self, ticket: Ticket) -> bool {
        self.cancel(ticket);
        false
    }

    fn is_running(&self, Ticket(ticket): Ticket) -> bool {
        self.0.with_state(|state| !state.queue.contains(ticket))
    }
}
