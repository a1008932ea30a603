//! Storage for the outcomes of submitted jobs, and notification when they arrive.
//!
//! The contents of a slot are guarded by its lock: empty with a list of listeners, filled with an outcome, or
//! taken. The first outcome is kept; later ones are dropped. `phase` mirrors the contents for readers that
//! need only the kind of the outcome, and is written under the lock.
//!
//! An outcome that can no longer be requested must be dropped: one without handles is dropped when it
//! arrives, and the last handle drops it when it goes. The two can happen at the same time. `fill` stores the
//! phase before it reads the number of handles for the second time, and the last handle decrements that
//! number before it reads the phase, both sequentially consistent, so at least one of them sees the other's
//! write and drops the outcome. If there are listeners, `fill` notifies them with a handle of its own, whose
//! drop counts like any other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use job::{Job, JobError, Outcome};
use parking_lot::{Condvar, Mutex};
use portable::catch_panic;

use super::{
    control::{Control, Ticket},
    kind::OutcomeKind,
    watch::{WatchQueue, deadline_after},
};
use crate::{Resolved, Sink, callback::run_callback, platform::print_error};

/// Function that is called once, with the slot that has been filled.
pub(crate) type Callback<J> = Box<dyn FnOnce(&Slot<J>) + Send>;

/// Slots for the outcomes of jobs that are submitted one after another. They are allocated together, because
/// an allocation per job costs as much as a short job.
pub(crate) struct Slots<J: Job> {
    states: Box<[SlotState<J>]>,
    control: Option<Arc<dyn Control>>,
}

struct SlotState<J: Job> {
    contents: Mutex<Contents<J>>,
    filled: Condvar,
    /// Summary of the contents that is read without the lock; written under the lock.
    phase: AtomicU8,
    /// The job's [`Ticket`], or `NO_TICKET`.
    ticket: AtomicU64,
    /// Number of [`Slot`]s that refer to this state. Without any, the outcome is dropped.
    handles: AtomicU32,
}

enum Contents<J: Job> {
    /// The listeners are boxed, because most outcomes arrive before a thread waits for them, and every state
    /// has space for what is stored inline.
    Empty(Option<Box<Listeners<J>>>),
    Filled(Outcome<J>),
    /// The outcome was moved out or dropped.
    Taken,
}

/// Parties that are notified when the slot is filled.
struct Listeners<J: Job> {
    callbacks: Vec<Callback<J>>,
    wakers: Vec<Waker>,
    watches: Vec<Arc<WatchQueue>>,
}

/// Time for which a waiting thread processes outcomes itself, or polls, before it blocks.
const HELP_TIME: Duration = Duration::from_micros(50);

/// Value of `ticket` before a ticket is assigned.
const NO_TICKET: u64 = u64::MAX;

/// Phases: `EMPTY`; the number of an [`OutcomeKind`]; the same with `TAKEN` added once the outcome has been
/// moved out.
const EMPTY: u8 = 0;
const TAKEN: u8 = 4;

impl<J: Job> Slots<J> {
    /// Creates `count` empty slots for jobs of the executor behind `control`.
    pub(crate) fn new(count: usize, control: Option<Arc<dyn Control>>) -> Arc<Slots<J>> {
        let empty = || SlotState {
            contents: Mutex::new(Contents::Empty(None)),
            filled: Condvar::new(),
            phase: AtomicU8::new(EMPTY),
            ticket: AtomicU64::new(NO_TICKET),
            handles: AtomicU32::new(0),
        };
        Arc::new(Slots { states: (0..count).map(|_| empty()).collect(), control })
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// Fills the slot at `index`, unless it has been filled before or does not exist.
    pub(crate) fn fill(self: &Arc<Self>, index: u64, outcome: Outcome<J>) {
        if let Some(index) = usize::try_from(index).ok().filter(|&index| index < self.len()) {
            fill(self, index, outcome);
        }
    }

    /// Kind of the outcome of the slot at `index`, once it is filled.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub(crate) fn kind(&self, index: usize) -> Option<OutcomeKind> {
        self.states[index].kind()
    }

    /// Returns the executor's control interface and the ticket of the job of the slot at `index`, unless the
    /// job has an outcome. Has the executor assign the ticket if needed.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub(crate) fn control_of(&self, index: usize) -> Option<(&Arc<dyn Control>, Ticket)> {
        let control = self.control.as_ref().filter(|_| self.kind(index).is_none())?;
        if self.states[index].ticket().is_none() {
            control.settle();
        }
        Some((control, self.states[index].ticket()?))
    }

    /// Stores the ticket by which the executor identifies the job of the slot at `index`.
    pub(crate) fn assign(&self, index: u64, Ticket(ticket): Ticket) {
        if let Some(state) = usize::try_from(index).ok().and_then(|index| self.states.get(index)) {
            state.ticket.store(ticket, Ordering::Release);
        }
    }
}

/// Fills an empty slot and notifies its listeners, without the lock, so that a callback may do anything.
fn fill<J: Job>(slots: &Arc<Slots<J>>, index: usize, outcome: Outcome<J>) {
    let state = &slots.states[index];
    let mut contents = state.contents.lock();
    let Contents::Empty(listeners) = &mut *contents else { return };
    let (listeners, kind) = (listeners.take(), kind_of(&outcome));
    // Listeners count, because a callback is called with a handle.
    let is_wanted = listeners.is_some() || state.handles.load(Ordering::Acquire) > 0;
    *contents = if is_wanted { Contents::Filled(outcome) } else { Contents::Taken };
    state.phase.store(kind as u8 | if is_wanted { 0 } else { TAKEN }, Ordering::SeqCst);
    drop(contents);
    if state.handles.load(Ordering::SeqCst) == 0 && listeners.is_none() {
        // The last handle may have been dropped in the meantime, before there was an outcome to drop.
        drop(state.take());
    }
    state.filled.notify_all();
    if let Some(listeners) = listeners {
        let Listeners { callbacks, wakers, watches } = *listeners;
        let slot = Slot::new(slots, index);
        wakers.into_iter().for_each(Waker::wake);
        watches.iter().for_each(|watch| watch.push(slot.address(), kind));
        callbacks.into_iter().for_each(|callback| slot.call(callback));
    }
}

fn kind_of<T, E>(outcome: &Result<T, JobError<E>>) -> OutcomeKind {
    match outcome {
        Ok(_) => OutcomeKind::Succeeded,
        Err(JobError::Cancelled) => OutcomeKind::Cancelled,
        Err(_) => OutcomeKind::Failed,
    }
}

/// Handle to one of the [`Slots`].
pub(crate) struct Slot<J: Job> {
    slots: Arc<Slots<J>>,
    index: usize,
}

impl<J: Job> Slot<J> {
    /// # Panics
    /// If `index` is out of bounds.
    pub(crate) fn new(slots: &Arc<Slots<J>>, index: usize) -> Slot<J> {
        slots.states[index].handles.fetch_add(1, Ordering::Relaxed);
        Slot { slots: slots.clone(), index }
    }

    fn state(&self) -> &SlotState<J> {
        &self.slots.states[self.index]
    }

    fn call(&self, callback: Callback<J>) {
        if let Err(panic) = catch_panic(|| run_callback(|| callback(self))) {
            print_error(&format!("a callback of a job panicked: {panic}"));
        }
    }

    /// Address of the slot's state, which identifies the slot.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.state()).addr()
    }

    /// The slots that it belongs to, and its index among them.
    pub(crate) fn place(&self) -> (&Arc<Slots<J>>, usize) {
        (&self.slots, self.index)
    }

    pub(crate) fn control(&self) -> Option<&Arc<dyn Control>> {
        self.slots.control.as_ref()
    }

    /// Ticket of the job, once it has been assigned.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.state().ticket()
    }

    /// Has the executor submit the job if it is still buffered. Called before waiting for the outcome.
    fn flush_before_wait(&self) {
        if let Some(control) = self.control().filter(|_| self.kind().is_none()) {
            control.awaited();
            if self.ticket().is_none() {
                control.settle();
            }
        }
    }

    /// Has the executor process outcomes on this thread for a short time. Called before blocking.
    fn help(&self, timeout: Option<Duration>) {
        let time = timeout.map_or(HELP_TIME, |timeout| timeout.min(HELP_TIME));
        if let Some(control) = self.control().filter(|_| !time.is_zero()) {
            control.help(time, &|| self.kind().is_some());
        }
    }

    /// Kind of the outcome, once the slot is filled, even if the outcome has been moved out.
    pub(crate) fn kind(&self) -> Option<OutcomeKind> {
        self.state().kind()
    }

    /// Waits until the slot is filled. Returns `false` if the timeout expires first.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let state = self.state();
        if state.kind().is_some() {
            return true;
        }
        let deadline = timeout.and_then(deadline_after);
        self.flush_before_wait();
        self.help(timeout);
        let mut contents = state.contents.lock();
        while matches!(*contents, Contents::Empty(_)) {
            match deadline {
                None => state.filled.wait(&mut contents),
                Some(deadline) => {
                    if state.filled.wait_until(&mut contents, deadline).timed_out() {
                        return !matches!(*contents, Contents::Empty(_));
                    }
                }
            }
        }
        true
    }

    /// Calls `read` with the outcome under the lock, if it is there and has not been moved out.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Outcome<J>) -> T) -> Option<T> {
        match &*self.state().contents.lock() {
            Contents::Filled(outcome) => Some(read(outcome)),
            _ => None,
        }
    }

    /// Moves the outcome out, if it is there and has not been moved out before.
    pub(crate) fn take(&self) -> Option<Outcome<J>> {
        self.state().take()
    }

    /// Registers a callback for when the slot is filled; calls it immediately if it is.
    pub(crate) fn on_filled(&self, callback: Callback<J>) {
        if let Contents::Empty(listeners) = &mut *self.state().contents.lock() {
            get_or_create(listeners).callbacks.push(callback);
            return;
        }
        self.call(callback);
    }

    /// Registers a waker that is woken when the slot is filled. Returns `false` if it is filled already.
    pub(crate) fn add_waker(&self, waker: &Waker) -> bool {
        self.flush_before_wait();
        match &mut *self.state().contents.lock() {
            Contents::Empty(listeners) => {
                let wakers = &mut get_or_create(listeners).wakers;
                if !wakers.iter().any(|known| known.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                true
            }
            _ => false,
        }
    }

    /// Registers a queue that the slot is added to when it is filled. Returns the kind of the outcome instead
    /// if it is filled already.
    pub(crate) fn add_watch(&self, watch: &Arc<WatchQueue>) -> Option<OutcomeKind> {
        self.flush_before_wait();
        let mut contents = self.state().contents.lock();
        if let Contents::Empty(listeners) = &mut *contents {
            get_or_create(listeners).watches.push(watch.clone());
            return None;
        }
        drop(contents);
        self.kind()
    }

    /// Removes a queue that was registered by [`add_watch`](Slot::add_watch).
    pub(crate) fn remove_watch(&self, watch: &Arc<WatchQueue>) {
        if let Contents::Empty(Some(listeners)) = &mut *self.state().contents.lock() {
            listeners.watches.retain(|known| !Arc::ptr_eq(known, watch));
        }
    }
}

impl<J: Job> Clone for Slot<J> {
    fn clone(&self) -> Slot<J> {
        Slot::new(&self.slots, self.index)
    }
}

impl<J: Job> Drop for Slot<J> {
    fn drop(&mut self) {
        let state = self.state();
        if state.handles.fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(state.take());
        }
    }
}

fn get_or_create<J: Job>(listeners: &mut Option<Box<Listeners<J>>>) -> &mut Listeners<J> {
    let none = || Box::new(Listeners { callbacks: Vec::new(), wakers: Vec::new(), watches: Vec::new() });
    listeners.get_or_insert_with(none)
}

impl<J: Job> SlotState<J> {
    fn ticket(&self) -> Option<Ticket> {
        Some(self.ticket.load(Ordering::Acquire)).filter(|&ticket| ticket != NO_TICKET).map(Ticket)
    }

    fn kind(&self) -> Option<OutcomeKind> {
        OutcomeKind::from_number(self.phase.load(Ordering::Acquire) & !TAKEN)
    }

    /// Moves the outcome out, if it is there and has not been moved out before.
    fn take(&self) -> Option<Outcome<J>> {
        let phase = self.phase.load(Ordering::SeqCst);
        if phase == EMPTY || phase & TAKEN != 0 {
            return None;
        }
        let mut contents = self.contents.lock();
        self.phase.store(phase | TAKEN, Ordering::Release);
        match std::mem::replace(&mut *contents, Contents::Taken) {
            Contents::Filled(outcome) => Some(outcome),
            Contents::Empty(_) | Contents::Taken => None,
        }
    }
}

/// The tags of jobs with a slot are the indexes of the slots.
impl<J: Job> Sink<J> for Arc<Slots<J>> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        resolved.into_iter().for_each(|job| self.fill(job.tag, job.outcome));
    }
}
