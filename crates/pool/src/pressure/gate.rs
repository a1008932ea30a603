//! Accounting of queued jobs, and admission of new ones.
//!
//! A job passes through two states that count against the bounds: *admitted*, from the moment when it is
//! allowed to be submitted until the executor puts it into its queue, and *queued*, until it is assigned to a
//! worker or cancelled. The executor publishes the transitions with [`Gate::update`], in the same critical
//! section in which it changes its queue, so that no job counts twice or not at all.
//!
//! Waiters are admitted in order of arrival: room that appears is reserved for the first of them, and no
//! later one overtakes it.
//!
//! The size of a job is known only after it was encoded, which happens after it was admitted: otherwise each
//! waiting producer would hold an encoded job. Until then it counts with the size of the job before it, and
//! the first one as much as the bound allows.

use std::{collections::VecDeque, sync::Arc, task::Waker};

use parking_lot::Mutex;

use super::{load::Load, waiter::Waiter};

/// Bounds on the queue of an executor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) jobs: u64,
    pub(crate) bytes: u64,
}

impl Limits {
    pub(crate) const NONE: Limits = Limits { jobs: u64::MAX, bytes: u64::MAX };

    /// Returns a gate with these limits, or `None` if nothing is limited.
    pub(crate) fn gate(self) -> Option<Arc<Gate>> {
        let is_limited = self.jobs < u64::MAX || self.bytes < u64::MAX;
        is_limited.then(|| Arc::new(Gate { limits: self, state: Mutex::default() }))
    }
}

/// Admits jobs to the queue of an executor.
pub(crate) struct Gate {
    limits: Limits,
    state: Mutex<GateState>,
}

#[derive(Default)]
struct GateState {
    admitted: Load,
    queued: Load,
    /// Size of the job that was encoded last.
    last_size: Option<u128>,
    waiters: VecDeque<Arc<Waiter>>,
    /// All jobs are admitted, because the executor refuses jobs itself.
    closed: bool,
}

/// Waiters that have been granted room and are to be woken, without any lock.
#[must_use]
#[derive(Default)]
pub(crate) struct Granted(Vec<(Arc<Waiter>, Option<Waker>)>);

impl Granted {
    pub(crate) fn wake(self) {
        for (waiter, waker) in self.0 {
            waiter.notify();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// Room that is reserved for jobs. If it is dropped before [`use_for`](Permit::use_for), the room is free
/// again.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    reserved: Load,
}

impl Permit {
    pub(super) fn new(gate: &Arc<Gate>, reserved: Load) -> Permit {
        Permit { gate: gate.clone(), reserved }
    }

    /// Records the number and size of the jobs that are about to be put where the executor finds them. Their
    /// number is less than the number of admitted jobs if some cannot be encoded. The result is used without
    /// any lock: if less room is needed than was reserved, others may have it.
    pub(crate) fn use_for(mut self, jobs: usize, bytes: usize) -> Granted {
        let reserved = std::mem::take(&mut self.reserved);
        self.gate.settle(reserved, Load { jobs: jobs as u64, bytes: bytes as u128 })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.reserved != Load::default() {
            self.gate.release(self.reserved).wake();
        }
    }
}

impl Gate {
    /// Admits jobs if there is room and no other jobs wait.
    pub(super) fn try_admit(self: &Arc<Self>, jobs: u64) -> Option<Permit> {
        let reserved = self.state.lock().try_reserve(self.limits, jobs)?;
        Some(Permit::new(self, reserved))
    }

    /// Admits jobs even if there is no room.
    pub(super) fn admit_over_bound(self: &Arc<Self>, jobs: u64) -> Permit {
        let reserved = self.state.lock().reserve(self.limits, jobs);
        Permit::new(self, reserved)
    }

    /// Admits jobs, or registers a waiter for them.
    pub(super) fn enter(self: &Arc<Self>, jobs: u64) -> Result<Permit, Arc<Waiter>> {
        let mut state = self.state.lock();
        match state.try_reserve(self.limits, jobs) {
            Some(reserved) => Ok(Permit::new(self, reserved)),
            None => {
                let waiter = Arc::new(Waiter::new(jobs));
                state.waiters.push_back(waiter.clone());
                Err(waiter)
            }
        }
    }

    /// Removes a waiter that gives up.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) {
        let mut state = self.state.lock();
        state.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
        let ended = waiter.give_up();
        state.admitted -= ended.reserved();
        let granted = state.grant(self.limits);
        drop(state);
        granted.wake();
        // Not under the lock, because dropping a waker may call any code.
        drop(ended);
    }

    /// Publishes the content of the queue, and the admitted jobs that were moved to it since the last call.
    /// Called under the lock of the queue; the result is used after it has been released.
    pub(crate) fn update(&self, moved: Load, queued: Load, is_open: bool) -> Granted {
        let mut state = self.state.lock();
        state.admitted -= moved;
        state.queued = queued;
        state.closed |= !is_open;
        state.grant(self.limits)
    }

    fn settle(&self, reserved: Load, actual: Load) -> Granted {
        let mut state = self.state.lock();
        state.admitted -= reserved;
        state.admitted += actual;
        state.last_size = actual.bytes.checked_div(actual.jobs.into()).or(state.last_size);
        state.grant(self.limits)
    }

    fn release(&self, reserved: Load) -> Granted {
        let mut state = self.state.lock();
        state.admitted -= reserved;
        state.grant(self.limits)
    }
}

impl GateState {
    /// Reserves room for jobs if there is some. If nothing is queued, there is room for any number.
    fn try_reserve(&mut self, limits: Limits, jobs: u64) -> Option<Load> {
        (self.closed || (self.waiters.is_empty() && self.has_room(limits, jobs)))
            .then(|| self.reserve(limits, jobs))
    }

    fn reserve(&mut self, limits: Limits, jobs: u64) -> Load {
        let reserved = Load { jobs, bytes: self.expected_bytes(limits, jobs) };
        self.admitted += reserved;
        reserved
    }

    fn has_room(&self, limits: Limits, jobs: u64) -> bool {
        let mut load = self.admitted;
        load += self.queued;
        if load.jobs == 0 {
            return true;
        }
        load += Load { jobs, bytes: self.expected_bytes(limits, jobs) };
        load.jobs <= limits.jobs && load.bytes <= limits.bytes.into()
    }

    /// Size with which jobs count before they are encoded.
    fn expected_bytes(&self, limits: Limits, jobs: u64) -> u128 {
        if limits.bytes == u64::MAX {
            return 0;
        }
        let limit = limits.bytes.into();
        self.last_size.map_or(limit, |size| size.saturating_mul(jobs.into()).min(limit))
    }

    /// Reserves room for as many waiters as possible, in order.
    fn grant(&mut self, limits: Limits) -> Granted {
        let mut granted = Granted::default();
        while let Some(first) = self.waiters.front()
            && (self.closed || self.has_room(limits, first.jobs))
            && let Some(first) = self.waiters.pop_front()
        {
            let reserved = self.reserve(limits, first.jobs);
            let waker = first.grant(reserved);
            granted.0.push((first, waker));
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(jobs: u64, bytes: u64) -> Arc<Gate> {
        Limits { jobs, bytes }.gate().unwrap()
    }

    fn load(jobs: u64, bytes: u128) -> Load {
        Load { jobs, bytes }
    }

    /// Admits a job of this size, which reaches the gate's admitted jobs.
    fn admit(gate: &Arc<Gate>, bytes: usize) {
        gate.try_admit(1).unwrap().use_for(1, bytes).wake();
    }

    #[test]
    fn without_limits_there_is_no_gate() {
        assert!(Limits::NONE.gate().is_none());
    }

    #[test]
    fn jobs_count_from_admission_until_they_leave_the_queue() {
        let gate = gate(2, u64::MAX);
        admit(&gate, 10);
        admit(&gate, 10);
        assert!(gate.try_admit(1).is_none());
        gate.update(load(2, 20), load(2, 20), true).wake();
        assert!(gate.try_admit(1).is_none());
        gate.update(Load::default(), load(1, 10), true).wake();
        let unused = gate.try_admit(1).unwrap();
        assert!(gate.try_admit(1).is_none());
        drop(unused);
        admit(&gate, 10);
    }

    #[test]
    fn size_of_the_last_job_is_expected_of_the_next() {
        let gate = gate(u64::MAX, 100);
        let first = gate.try_admit(1).unwrap();
        assert!(gate.try_admit(1).is_none(), "the size of the first job is unknown");
        first.use_for(1, 40).wake();
        admit(&gate, 40);
        assert!(gate.try_admit(1).is_none());
        gate.update(load(2, 80), Load::default(), true).wake();
        admit(&gate, 1000);
        assert!(gate.try_admit(1).is_none());
        gate.update(load(1, 1000), Load::default(), true).wake();
        assert!(gate.try_admit(1).is_some(), "an empty queue accepts a job of any size");
    }

    #[test]
    fn room_that_a_job_does_not_need_goes_to_a_waiter() {
        let gate = gate(u64::MAX, 100);
        let first = gate.try_admit(1).unwrap();
        let waiter = gate.enter(1).err().unwrap();
        first.use_for(1, 40).wake();
        assert_eq!(waiter.give_up().reserved(), load(1, 40));
    }

    #[test]
    fn jobs_over_a_bound_near_the_largest_number_are_subtracted_again() {
        let gate = gate(u64::MAX, u64::MAX - 1);
        let permits: Vec<_> = (0..3).map(|_| gate.admit_over_bound(1)).collect();
        drop(permits);
        assert_eq!(gate.state.lock().admitted, Load::default());
    }

    #[test]
    fn waiters_are_admitted_in_order_and_not_overtaken() {
        let gate = gate(2, u64::MAX);
        admit(&gate, 0);
        admit(&gate, 0);
        let (two, one) = (gate.enter(2).err().unwrap(), gate.enter(1).err().unwrap());
        gate.update(load(2, 0), load(1, 0), true).wake();
        assert!(gate.try_admit(1).is_none(), "a job has overtaken the waiters");
        gate.leave(&two);
        assert_eq!(one.wait(), load(1, 0));
    }

    #[test]
    fn room_of_a_waiter_that_gives_up_goes_to_the_next() {
        let gate = gate(1, u64::MAX);
        admit(&gate, 0);
        let (first, second) = (gate.enter(1).err().unwrap(), gate.enter(1).err().unwrap());
        gate.update(load(1, 0), Load::default(), true).wake();
        gate.leave(&first);
        assert_eq!(second.wait(), load(1, 0));
    }

    #[test]
    fn closing_admits_all_waiters() {
        let gate = gate(1, u64::MAX);
        admit(&gate, 0);
        let waiters = [gate.enter(1).err().unwrap(), gate.enter(5).err().unwrap()];
        gate.update(Load::default(), Load::default(), false).wake();
        assert_eq!(waiters.map(|waiter| waiter.wait().jobs), [1, 5]);
        assert!(gate.try_admit(1).is_some());
    }
}
