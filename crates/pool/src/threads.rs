//! Jobs on threads of this process: cheap, and isolating nothing.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use job::{Context, Failure, Job, WorkerFigures, WorkerId};
use parking_lot::{Condvar, Mutex};

use crate::{
    Executor, Inlet, JobOptions, Resolved, Sink,
    executor::hand_over,
    run::{run_here, start_context},
};

/// A thread takes about this much work at a time.
const TARGET: Duration = Duration::from_micros(200);

/// The most jobs that a thread takes at a time, and that gather in an inlet.
const MOST_JOBS: usize = 256;

/// Runs jobs on threads, which are started on demand.
///
/// A panic is caught; a crash takes the program with it, and a running job cannot be ended.
pub struct ThreadPool<J: Job> {
    shared: Arc<Shared<J>>,
}

struct Shared<J: Job> {
    args: <J::Context as Context>::Args,
    most_threads: usize,
    state: Mutex<State<J>>,
    news: Condvar,
}

struct State<J: Job> {
    queue: VecDeque<Task<J>>,
    /// Threads that have nothing to run.
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    figures: Vec<WorkerFigures>,
    closed: bool,
    broken: Option<Arc<str>>,
}

struct Task<J: Job> {
    tag: u64,
    job: J,
    options: JobOptions,
    sink: Arc<dyn Sink<J>>,
}

impl<J: Job> ThreadPool<J> {
    /// A pool of up to `workers` threads, at least one; each runs its jobs in a state of its own, made of `args`.
    #[must_use]
    pub fn new(workers: usize, args: <J::Context as Context>::Args) -> ThreadPool<J> {
        let state = State {
            queue: VecDeque::new(),
            idle: 0,
            threads: Vec::new(),
            figures: Vec::new(),
            closed: false,
            broken: None,
        };
        let shared =
            Shared { args, most_threads: workers.max(1), state: Mutex::new(state), news: Condvar::new() };
        ThreadPool { shared: Arc::new(shared) }
    }
}

impl<J: Job> Executor<J> for ThreadPool<J> {
    fn inlet(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Inlet<J>> {
        Box::new(ThreadInlet { shared: self.shared.clone(), sink, gathered: Vec::new() })
    }

    fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.news.notify_all();
    }

    fn stop(&self, _: Duration) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.news.notify_all();
        refuse(waiting, || Failure::Cancelled);
    }

    fn join(&self) {
        loop {
            let threads = std::mem::take(&mut self.shared.state.lock().threads);
            if threads.is_empty() {
                return;
            }
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
    }

    fn figures(&self) -> Vec<WorkerFigures> {
        self.shared.state.lock().figures.clone()
    }

    fn broken(&self) -> Option<Arc<str>> {
        self.shared.state.lock().broken.clone()
    }
}

impl<J: Job> Drop for ThreadPool<J> {
    fn drop(&mut self) {
        self.close();
    }
}

struct ThreadInlet<J: Job> {
    shared: Arc<Shared<J>>,
    sink: Arc<dyn Sink<J>>,
    gathered: Vec<Task<J>>,
}

impl<J: Job> Inlet<J> for ThreadInlet<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        self.gathered.push(Task { tag, job, options, sink: self.sink.clone() });
        if self.gathered.len() >= MOST_JOBS || self.shared.is_hungry() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            Shared::submit(&self.shared, std::mem::take(&mut self.gathered));
        }
    }
}

impl<J: Job> Drop for ThreadInlet<J> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl<J: Job> Shared<J> {
    /// Whether somebody would start on a job at once. An answer that is out of date costs a little time only.
    fn is_hungry(&self) -> bool {
        self.state.try_lock().is_some_and(|state| {
            state.queue.is_empty() && (state.idle > 0 || state.threads.len() < self.most_threads)
        })
    }

    fn submit(this: &Arc<Shared<J>>, tasks: Vec<Task<J>>) {
        let mut state = this.state.lock();
        if state.closed {
            let broken = state.broken.clone();
            drop(state);
            refuse(tasks, || broken.clone().map_or(Failure::Cancelled, Failure::Abandoned));
            return;
        }
        state.queue.extend(tasks);
        while state.idle < state.queue.len() && state.threads.len() < this.most_threads {
            if let Err(cause) = Shared::start(this, &mut state) {
                if state.threads.is_empty() {
                    let waiting = state.break_down(format!("no thread could be started: {cause}").into());
                    drop(state);
                    refuse(waiting, || Failure::Abandoned(cause.to_string().into()));
                    return;
                }
                break;
            }
        }
        drop(state);
        this.news.notify_all();
    }

    fn start(this: &Arc<Shared<J>>, state: &mut State<J>) -> std::io::Result<()> {
        let slot = state.threads.len();
        let shared = this.clone();
        let thread =
            thread::Builder::new().name(format!("runner-{slot}")).spawn(move || shared.serve(slot))?;
        state.threads.push(thread);
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        state.figures.push(WorkerFigures::new(WorkerId { slot, generation: 0 }));
        // It will take work as soon as it is there.
        state.idle += 1;
        Ok(())
    }

    fn serve(&self, slot: usize) {
        let start = Instant::now();
        let mut context = match start_context::<J::Context>(self.args.clone()) {
            Ok(context) => context,
            Err(cause) => {
                let cause: Arc<str> = cause.into();
                let waiting = self.state.lock().break_down(cause.clone());
                self.news.notify_all();
                refuse(waiting, || Failure::Abandoned(cause.clone()));
                return;
            }
        };
        let mut cost = None;
        while let Some(tasks) = self.take(cost) {
            let begin = Instant::now();
            let count = tasks.len();
            run_all(tasks, &mut context);
            let busy = begin.elapsed();
            cost = Some(busy / u32::try_from(count).unwrap_or(u32::MAX));
            let mut state = self.state.lock();
            state.idle += 1;
            let figures = &mut state.figures[slot];
            figures.jobs += count as u64;
            figures.frames += 1;
            figures.busy += busy;
            figures.life = start.elapsed();
        }
    }

    /// Waits for jobs and takes as many as seem worth it; `None` when there will be no more.
    fn take(&self, cost: Option<Duration>) -> Option<Vec<Task<J>>> {
        let mut state = self.state.lock();
        while state.queue.is_empty() {
            if state.closed {
                return None;
            }
            self.news.wait(&mut state);
        }
        state.idle -= 1;
        let by_cost = cost.map_or(1, |cost| TARGET.as_nanos() / cost.as_nanos().max(1));
        let share = state.queue.len() / (2 * self.most_threads);
        let count = share.min(usize::try_from(by_cost).unwrap_or(MOST_JOBS)).clamp(1, MOST_JOBS);
        Some(state.queue.drain(..count).collect())
    }
}

impl<J: Job> State<J> {
    fn break_down(&mut self, cause: Arc<str>) -> VecDeque<Task<J>> {
        self.closed = true;
        self.broken = Some(cause);
        std::mem::take(&mut self.queue)
    }
}

fn run_all<J: Job>(tasks: Vec<Task<J>>, context: &mut J::Context) {
    let mut done: Vec<Resolved<J>> = Vec::with_capacity(tasks.len());
    let mut to: Option<Arc<dyn Sink<J>>> = None;
    for Task { tag, job, options, sink } in tasks {
        if let Some(other) = to.replace(sink.clone())
            && !Arc::ptr_eq(&other, &sink)
        {
            hand_over(&*other, std::mem::take(&mut done));
        }
        done.push(Resolved { tag, outcome: run_here(job, options, context) });
    }
    if let Some(sink) = to {
        hand_over(&*sink, done);
    }
}

fn refuse<J: Job>(tasks: impl IntoIterator<Item = Task<J>>, why: impl Fn() -> Failure<J::Error>) {
    for task in tasks {
        hand_over(&*task.sink, vec![Resolved { tag: task.tag, outcome: Err(why()) }]);
    }
}
