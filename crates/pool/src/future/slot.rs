//! Where outcomes lie, and who is told when they come.

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
use wire::catch_panic;

use super::{
    control::{Control, Ticket},
    kind::Kind,
    watch::{Watch, deadline_after},
};
use crate::{Resolved, Sink};

/// Called once, with the slot that has just been filled.
pub(crate) type Callback<J> = Box<dyn FnOnce(&Slot<J>) + Send>;

/// Places for the outcomes of jobs that were submitted one after another: allocated together, because an allocation
/// for each costs as much as a short job.
pub(crate) struct Slots<J: Job> {
    places: Box<[Place<J>]>,
    control: Option<Arc<dyn Control>>,
}

struct Place<J: Job> {
    state: Mutex<State<J>>,
    filled: Condvar,
    /// What the state is, for those who need not know more; written under its lock.
    phase: AtomicU8,
    /// The job's [`Ticket`], once it has one.
    ticket: AtomicU64,
    /// How many [`Slot`]s name this place. An outcome that nobody can ask for is dropped.
    handles: AtomicU32,
}

enum State<J: Job> {
    /// Boxed, because most outcomes come before somebody waits for them, and all places have room for what is here.
    Empty(Option<Box<Listeners<J>>>),
    Filled(Outcome<J>),
    /// The outcome was moved out.
    Taken,
}

/// Who wants to know.
struct Listeners<J: Job> {
    callbacks: Vec<Callback<J>>,
    wakers: Vec<Waker>,
    watches: Vec<Arc<Watch>>,
}

/// Time for which a waiting thread is of use, or polls, before it blocks.
const HELP_TIME: Duration = Duration::from_micros(50);

/// Stands for no ticket.
const NONE: u64 = u64::MAX;

/// The phases: empty; filled, of a kind; the same, and the outcome has been moved out.
const EMPTY: u8 = 0;
const TAKEN: u8 = 4;

impl<J: Job> Slots<J> {
    /// So many empty places, for jobs under this control.
    pub(crate) fn new(count: usize, control: Option<Arc<dyn Control>>) -> Arc<Slots<J>> {
        let place = || Place {
            state: Mutex::new(State::Empty(None)),
            filled: Condvar::new(),
            phase: AtomicU8::new(EMPTY),
            ticket: AtomicU64::new(NONE),
            handles: AtomicU32::new(0),
        };
        Arc::new(Slots { places: (0..count).map(|_| place()).collect(), control })
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Fills a place, unless it is filled already.
    pub(crate) fn fill(self: &Arc<Self>, place: u64, outcome: Outcome<J>) {
        if let Some(place) = usize::try_from(place).ok().filter(|&place| place < self.places.len()) {
            fill(self, place, outcome);
        }
    }

    /// Notes by which ticket the executor knows the job of a place.
    pub(crate) fn assign(&self, place: u64, Ticket(ticket): Ticket) {
        if let Some(place) = usize::try_from(place).ok().and_then(|place| self.places.get(place)) {
            place.ticket.store(ticket, Ordering::Release);
        }
    }
}

/// Tells everybody who waits, without the lock, so that a callback may do anything. The first outcome stands.
fn fill<J: Job>(slots: &Arc<Slots<J>>, index: usize, outcome: Outcome<J>) {
    let place = &slots.places[index];
    let mut state = place.state.lock();
    let State::Empty(listeners) = &mut *state else { return };
    let (listeners, kind) = (listeners.take(), kind_of(&outcome));
    // A callback gets a handle.
    let wanted = listeners.is_some() || place.handles.load(Ordering::Acquire) > 0;
    *state = if wanted { State::Filled(outcome) } else { State::Taken };
    place.phase.store(kind as u8 | if wanted { 0 } else { TAKEN }, Ordering::SeqCst);
    drop(state);
    if place.handles.load(Ordering::SeqCst) == 0 && listeners.is_none() {
        // The last handle went meanwhile, and found nothing to drop.
        drop(place.take());
    }
    place.filled.notify_all();
    if let Some(listeners) = listeners {
        let Listeners { callbacks, wakers, watches } = *listeners;
        let slot = Slot::new(slots, index);
        wakers.into_iter().for_each(Waker::wake);
        watches.iter().for_each(|watch| watch.tell(slot.address(), kind));
        callbacks.into_iter().for_each(|callback| slot.call(callback));
    }
}

fn kind_of<T, E>(outcome: &Result<T, JobError<E>>) -> Kind {
    match outcome {
        Ok(_) => Kind::Succeeded,
        Err(JobError::Cancelled) => Kind::Cancelled,
        Err(_) => Kind::Failed,
    }
}

/// One of the [`Slots`].
pub(crate) struct Slot<J: Job> {
    slots: Arc<Slots<J>>,
    index: usize,
}

impl<J: Job> Slot<J> {
    /// # Panics
    /// When there is no such place.
    pub(crate) fn new(slots: &Arc<Slots<J>>, index: usize) -> Slot<J> {
        slots.places[index].handles.fetch_add(1, Ordering::Relaxed);
        Slot { slots: slots.clone(), index }
    }

    fn place(&self) -> &Place<J> {
        &self.slots.places[self.index]
    }

    fn call(&self, callback: Callback<J>) {
        if let Err(panic) = catch_panic(|| callback(self)) {
            sys::stream::print_error(&format!("a callback of a job panicked: {panic}"));
        }
    }

    /// What identifies the slot.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.place()).addr()
    }

    pub(crate) fn control(&self) -> Option<&Arc<dyn Control>> {
        self.slots.control.as_ref()
    }

    /// By which ticket the executor knows the job, if it does yet.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        Some(self.place().ticket.load(Ordering::Acquire)).filter(|&ticket| ticket != NONE).map(Ticket)
    }

    /// Before waiting: what is waited for need not wait for company.
    fn hurry(&self) {
        if let Some(control) = self.control().filter(|_| self.kind().is_none()) {
            control.awaited();
            if self.ticket().is_none() {
                control.settle();
            }
        }
    }

    /// Before blocking: has the executor help this thread to an outcome.
    fn help(&self, timeout: Option<Duration>) {
        let time = timeout.map_or(HELP_TIME, |timeout| timeout.min(HELP_TIME));
        if let Some(control) = self.control().filter(|_| !time.is_zero()) {
            control.help(time, &|| self.kind().is_some());
        }
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.place().kind()
    }

    /// Waits until the slot is filled; `false` when the time is over before.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let place = self.place();
        if place.kind().is_some() {
            return true;
        }
        let deadline = timeout.and_then(deadline_after);
        self.hurry();
        self.help(timeout);
        let mut state = place.state.lock();
        while matches!(*state, State::Empty(_)) {
            match deadline {
                None => place.filled.wait(&mut state),
                Some(deadline) => {
                    if place.filled.wait_until(&mut state, deadline).timed_out() {
                        return !matches!(*state, State::Empty(_));
                    }
                }
            }
        }
        true
    }

    /// Looks at the outcome, if it is there and has not been moved out.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Outcome<J>) -> T) -> Option<T> {
        match &*self.place().state.lock() {
            State::Filled(outcome) => Some(at(outcome)),
            _ => None,
        }
    }

    /// Moves the outcome out, if it is there and has not been moved out before.
    pub(crate) fn take(&self) -> Option<Outcome<J>> {
        self.place().take()
    }

    /// Has `callback` called when the slot is filled: at once if it is.
    pub(crate) fn when_filled(&self, callback: Callback<J>) {
        if let State::Empty(listeners) = &mut *self.place().state.lock() {
            known(listeners).callbacks.push(callback);
            return;
        }
        self.call(callback);
    }

    /// Has the waker woken when the slot is filled; `false` if it is.
    pub(crate) fn wake(&self, waker: &Waker) -> bool {
        self.hurry();
        match &mut *self.place().state.lock() {
            State::Empty(listeners) => {
                let wakers = &mut known(listeners).wakers;
                if !wakers.iter().any(|known| known.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                true
            }
            _ => false,
        }
    }

    /// Has the watch told when the slot is filled; what it is filled with, if it is.
    pub(crate) fn watch(&self, watch: &Arc<Watch>) -> Option<Kind> {
        self.hurry();
        let mut state = self.place().state.lock();
        if let State::Empty(listeners) = &mut *state {
            known(listeners).watches.push(watch.clone());
            return None;
        }
        drop(state);
        self.kind()
    }

    /// Forgets a watch that nobody looks at any more.
    pub(crate) fn unwatch(&self, watch: &Arc<Watch>) {
        if let State::Empty(Some(listeners)) = &mut *self.place().state.lock() {
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
        let place = self.place();
        if place.handles.fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(place.take());
        }
    }
}

fn known<J: Job>(listeners: &mut Option<Box<Listeners<J>>>) -> &mut Listeners<J> {
    let none = || Box::new(Listeners { callbacks: Vec::new(), wakers: Vec::new(), watches: Vec::new() });
    listeners.get_or_insert_with(none)
}

impl<J: Job> Place<J> {
    fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.phase.load(Ordering::Acquire) & !TAKEN)
    }

    /// Moves the outcome out, if it is there and has not been moved out before.
    fn take(&self) -> Option<Outcome<J>> {
        let phase = self.phase.load(Ordering::SeqCst);
        if phase == EMPTY || phase & TAKEN != 0 {
            return None;
        }
        let mut state = self.state.lock();
        self.phase.store(phase | TAKEN, Ordering::Release);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Filled(outcome) => Some(outcome),
            State::Empty(_) | State::Taken => None,
        }
    }
}

/// The tags of jobs that have a slot each are their places.
impl<J: Job> Sink<J> for Arc<Slots<J>> {
    fn resolve(&self, resolved: Vec<Resolved<J>>) {
        resolved.into_iter().for_each(|job| self.fill(job.tag, job.outcome));
    }
}
