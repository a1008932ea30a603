//! The threads of a pool, and waiting for the last of them.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

/// Threads that were started for one pool. Each ends by itself, some time after the pool is closed.
#[derive(Default)]
pub(crate) struct Crew {
    state: Mutex<State>,
    one_left: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    handles: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system has none left.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let shift = Shift::begin(self);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _shift = shift;
            work();
        })?;
        let mut state = self.state.lock();
        state.handles.retain(|thread| !thread.is_finished());
        state.handles.push(thread);
        Ok(())
    }

    /// Waits until no thread is left and says whether that is so; without a deadline for ever. One of the threads
    /// themselves, which would wait for its own end, is told `false` at once.
    pub(crate) fn join(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        let me = thread::current().id();
        if state.handles.iter().any(|thread| thread.thread().id() == me) {
            return false;
        }
        loop {
            while state.running > 0 {
                match deadline {
                    None => self.one_left.wait(&mut state),
                    Some(deadline) => {
                        if self.one_left.wait_until(&mut state, deadline).timed_out() {
                            return state.running == 0;
                        }
                    }
                }
            }
            let handles = std::mem::take(&mut state.handles);
            if handles.is_empty() {
                return true;
            }
            drop(state);
            // They have done their work; what is left takes no time.
            handles.into_iter().for_each(|thread| drop(thread.join()));
            state = self.state.lock();
        }
    }
}

/// Counts a thread as running until it is dropped, be it by a panic.
struct Shift(Arc<Crew>);

impl Shift {
    fn begin(crew: &Arc<Crew>) -> Shift {
        crew.state.lock().running += 1;
        Shift(crew.clone())
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
        self.0.one_left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, time::Duration};

    #[test]
    fn joining_waits_for_the_last_thread_or_for_the_deadline() {
        let crew = Arc::new(Crew::default());
        assert!(crew.join(None), "there is nobody to wait for");
        let (release, held) = channel::<()>();
        crew.spawn("held".into(), move || assert!(held.recv().is_err())).unwrap();
        assert!(!crew.join(Some(Instant::now() + Duration::from_millis(10))));
        drop(release);
        assert!(crew.join(None));
    }

    #[test]
    fn a_thread_of_the_crew_does_not_wait_for_itself() {
        let crew = Arc::new(Crew::default());
        let (tell, told) = channel();
        let own = crew.clone();
        let (go, may_go) = channel::<()>();
        crew.spawn("own".into(), move || {
            may_go.recv().unwrap();
            tell.send(own.join(None)).unwrap();
        })
        .unwrap();
        go.send(()).unwrap();
        assert!(!told.recv().unwrap());
        assert!(crew.join(None));
    }

    #[test]
    fn a_thread_that_panics_counts_as_ended() {
        let crew = Arc::new(Crew::default());
        crew.spawn("panics".into(), || std::panic::resume_unwind(Box::new(()))).unwrap();
        assert!(crew.join(None));
    }
}
