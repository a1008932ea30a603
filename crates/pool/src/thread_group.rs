//! Group of threads that can be joined with a deadline.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

/// The threads of one pool. Each returns by itself after the pool was closed.
#[derive(Default)]
pub(crate) struct ThreadGroup {
    members: Mutex<Members>,
    member_ended: Condvar,
}

#[derive(Default)]
struct Members {
    running: usize,
    handles: Vec<JoinHandle<()>>,
    /// Tasks that wait until no thread is running.
    wakers: Vec<Waker>,
}

impl ThreadGroup {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let guard = self.expect_thread();
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _guard = guard;
            work();
        })?;
        let mut members = self.members.lock();
        members.handles.retain(|thread| !thread.is_finished());
        members.handles.push(thread);
        Ok(())
    }

    /// Counts a thread as running before it is started, until the result is dropped. For a start that is
    /// decided under a lock and carried out without it: a thread that sees the decision waits for this one.
    pub(crate) fn expect_thread(self: &Arc<Self>) -> RunningGuard {
        self.members.lock().running += 1;
        RunningGuard(self.clone())
    }

    /// Waits until all threads have ended, or until the deadline if there is one. Returns whether all have
    /// ended. Returns `false` immediately when called on a thread of the group, which would wait for itself.
    pub(crate) fn join(&self, deadline: Option<Instant>) -> bool {
        let mut members = self.members.lock();
        if members.contains_current() {
            return false;
        }
        loop {
            while members.running > 0 {
                match deadline {
                    None => self.member_ended.wait(&mut members),
                    Some(deadline) => {
                        if self.member_ended.wait_until(&mut members, deadline).timed_out() {
                            return members.running == 0;
                        }
                    }
                }
            }
            let handles = std::mem::take(&mut members.handles);
            if handles.is_empty() {
                return true;
            }
            drop(members);
            // Their work is done, so joining them takes almost no time.
            handles.into_iter().for_each(|thread| drop(thread.join()));
            members = self.members.lock();
        }
    }

    /// Returns whether all threads have ended; if not, wakes the task when that is so. Ready immediately when
    /// called on a thread of the group, like [`join`](ThreadGroup::join).
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut members = self.members.lock();
        if members.running == 0 || members.contains_current() {
            return Poll::Ready(());
        }
        if !members.wakers.iter().any(|known| known.will_wake(context.waker())) {
            members.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Returns whether the calling thread belongs to the group.
    pub(crate) fn contains_current(&self) -> bool {
        self.members.lock().contains_current()
    }
}

impl Members {
    fn contains_current(&self) -> bool {
        let current = thread::current().id();
        self.handles.iter().any(|thread| thread.thread().id() == current)
    }
}

/// Counts a thread as running until the guard is dropped, also by a panic.
#[must_use]
pub(crate) struct RunningGuard(Arc<ThreadGroup>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let mut members = self.0.members.lock();
        members.running -= 1;
        let wakers = if members.running == 0 { std::mem::take(&mut members.wakers) } else { Vec::new() };
        drop(members);
        self.0.member_ended.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, time::Duration};

    #[test]
    fn join_waits_for_the_last_thread_or_the_deadline() {
        let group = Arc::new(ThreadGroup::default());
        assert!(group.join(None), "the group is empty");
        let (release, blocked) = channel::<()>();
        group.spawn("blocked".into(), move || assert!(blocked.recv().is_err())).unwrap();
        assert!(!group.join(Some(Instant::now() + Duration::from_millis(10))));
        drop(release);
        assert!(group.join(None));
    }

    #[test]
    fn a_member_thread_does_not_wait_for_itself() {
        let group = Arc::new(ThreadGroup::default());
        let (result_sender, result) = channel();
        let own_group = group.clone();
        let (start_sender, start) = channel::<()>();
        group
            .spawn("member".into(), move || {
                start.recv().unwrap();
                let end = own_group.poll_end(&mut Context::from_waker(Waker::noop()));
                result_sender.send((own_group.join(None), end)).unwrap();
            })
            .unwrap();
        start_sender.send(()).unwrap();
        assert_eq!(result.recv().unwrap(), (false, Poll::Ready(())));
        assert!(group.join(None));
    }

    #[test]
    fn an_expected_thread_counts_as_running() {
        let group = Arc::new(ThreadGroup::default());
        let expected = group.expect_thread();
        let mut context = Context::from_waker(Waker::noop());
        assert!(!group.join(Some(Instant::now())) && group.poll_end(&mut context).is_pending());
        group.spawn("expected".into(), || ()).unwrap();
        drop(expected);
        assert!(group.join(None) && group.poll_end(&mut context).is_ready());
    }

    #[test]
    fn a_thread_that_panics_counts_as_ended() {
        let group = Arc::new(ThreadGroup::default());
        group.spawn("panics".into(), || std::panic::resume_unwind(Box::new(()))).unwrap();
        assert!(group.join(None));
    }
}
