//! One job after the other, in the thread that pushes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use job::{Context, Failure, Job, WorkerFigures, WorkerId};
use parking_lot::Mutex;

use crate::{
    Executor, Inlet, JobOptions, Resolved, Sink,
    executor::hand_over,
    run::{run_here, start_context},
};

/// Runs each job when it is pushed. A panic is caught; a crash takes the program with it.
pub struct Serial<J: Job> {
    shared: Arc<Shared<J>>,
}

struct Shared<J: Job> {
    args: <J::Context as Context>::Args,
    start: Instant,
    stopped: AtomicBool,
    broken: Mutex<Option<Arc<str>>>,
    figures: Mutex<WorkerFigures>,
}

impl<J: Job> Serial<J> {
    /// Jobs run in a state made of `args`, by the first of them in each inlet.
    #[must_use]
    pub fn new(args: <J::Context as Context>::Args) -> Serial<J> {
        let figures = Mutex::new(WorkerFigures::new(WorkerId { slot: 0, generation: 0 }));
        let (start, stopped, broken) = (Instant::now(), AtomicBool::new(false), Mutex::new(None));
        Serial { shared: Arc::new(Shared { args, start, stopped, broken, figures }) }
    }
}

impl<J: Job> Executor<J> for Serial<J> {
    fn inlet(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Inlet<J>> {
        Box::new(SerialInlet { shared: self.shared.clone(), sink, context: None })
    }

    fn close(&self) {}

    fn stop(&self, _: Duration) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    fn join(&self) {}

    fn figures(&self) -> Vec<WorkerFigures> {
        vec![self.shared.figures.lock().clone()]
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.broken.lock().clone()
    }
}

struct SerialInlet<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    context: Option<J::Context>,
}

impl<J: Job> SerialInlet<J> {
    fn outcome(&mut self, job: J, options: JobOptions) -> job::Outcome<J> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(Failure::Cancelled);
        }
        if let Some(cause) = self.shared.broken.lock().clone() {
            return Err(Failure::Abandoned(cause));
        }
        if self.context.is_none() {
            match start_context::<J::Context>(self.shared.args.clone()) {
                Ok(context) => self.context = Some(context),
                Err(cause) => {
                    let cause: Arc<str> = cause.into();
                    *self.shared.broken.lock() = Some(cause.clone());
                    return Err(Failure::Abandoned(cause));
                }
            }
        }
        let Some(context) = &mut self.context else { return Err(Failure::Cancelled) };
        run_here(job, options, context)
    }
}

impl<J: Job> Inlet<J> for SerialInlet<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        let start = Instant::now();
        let outcome = self.outcome(job, options);
        let end = Instant::now();
        let mut figures = self.shared.figures.lock();
        figures.jobs += 1;
        figures.frames += 1;
        figures.busy += end - start;
        figures.life = end - self.shared.start;
        drop(figures);
        // At once: the next job may take long.
        hand_over(&*self.sink, vec![Resolved { tag, outcome }]);
    }

    fn flush(&mut self) {}
}
