//! Jobs on threads of this process: cheap, and isolating nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use job::{Context, Failure, Job, WorkerFigures, WorkerId};
use parking_lot::{Condvar, Mutex};

use crate::{
    Executor, Inlet, JobFuture, JobOptions, Refused, Resolved, Sink, WorkerReport,
    crew::Crew,
    future::{Control, Slot, Slots, Ticket, deadline_after},
    run::{finish_context, run_here, start_context},
    stream::hand_over,
};

/// A thread takes about this much work at a time.
const TARGET: Duration = Duration::from_micros(200);

/// The most jobs that a thread takes at a time, and that gather in an inlet.
const MOST_JOBS: usize = 256;

/// Runs jobs on threads, which are started on demand.
///
/// A panic is caught; a crash takes the program with it, and a running job cannot be ended. Dropping the pool closes
/// it: jobs that were pushed are still run, as long as the program lasts.
///
/// ```
/// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
/// use pool::{Executor, ThreadPool, available_cores};
///
/// let threads = ThreadPool::new(available_cores(), ());
/// let sum: u64 = threads.map((0..1000).map(Square)).into_iter().flatten().sum();
/// assert_eq!(sum, 332_833_500);
/// ```
pub struct ThreadPool<J: Job> {
    shared: Arc<Shared<J>>,
    /// The same, as futures know it.
    control: Arc<dyn Control>,
}

/// A pool, as its futures know it.
struct Controller<J: Job>(Arc<Shared<J>>);

impl<J: Job> Control for Controller<J> {
    /// A ticket is there before the future is.
    fn settle(&self) {}

    fn cancel(&self, Ticket(id): Ticket) {
        let mut state = self.0.state.lock();
        let found = state.queue.binary_search_by_key(&id, |task| task.id);
        let task = found.ok().and_then(|place| state.queue.remove(place));
        drop(state);
        refuse(task, || Failure::Cancelled);
    }

    fn kill(&self, ticket: Ticket) -> bool {
        self.cancel(ticket);
        false
    }

    fn is_running(&self, Ticket(id): Ticket) -> bool {
        self.0.state.lock().queue.binary_search_by_key(&id, |task| task.id).is_err()
    }
}

struct Shared<J: Job> {
    args: <J::Context as Context>::Args,
    most_threads: usize,
    /// No task starts any more.
    stopped: AtomicBool,
    state: Mutex<State<J>>,
    news: Condvar,
    crew: Arc<Crew>,
}

struct State<J: Job> {
    queue: VecDeque<Task<J>>,
    /// Threads that have nothing to run.
    idle: usize,
    /// How many threads have been started; none ends before the pool is closed.
    threads: usize,
    figures: Vec<WorkerFigures>,
    reports: Vec<WorkerReport<J>>,
    next_id: u64,
    closed: bool,
    broken: Option<Arc<str>>,
}

struct Task<J: Job> {
    /// Its number among all tasks, given when it is queued.
    id: u64,
    tag: u64,
    job: J,
    options: JobOptions,
    sink: Arc<dyn Sink<J>>,
}

impl<J: Job> ThreadPool<J> {
    /// A pool of up to `workers` threads, at least one; each runs its jobs in a state of its own, made of `args`.
    /// If a state cannot be made, the pool is [broken](Executor::broken).
    ///
    /// ```
    /// # mod sample { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/square.rs")); } use sample::Square;
    /// use pool::{Executor, ThreadPool};
    ///
    /// let threads = ThreadPool::<Square>::new(3, ());
    /// assert_eq!(threads.workers(), 3);
    /// assert!(threads.figures().is_empty(), "none is started before the first job");
    /// ```
    #[must_use]
    pub fn new(workers: usize, args: <J::Context as Context>::Args) -> ThreadPool<J> {
        let state = State {
            queue: VecDeque::new(),
            idle: 0,
            threads: 0,
            figures: Vec::new(),
            reports: Vec::new(),
            next_id: 0,
            closed: false,
            broken: None,
        };
        let shared = Shared {
            args,
            most_threads: workers.max(1),
            stopped: AtomicBool::new(false),
            state: Mutex::new(state),
            news: Condvar::new(),
            crew: Arc::default(),
        };
        let shared = Arc::new(shared);
        let control = Arc::new(Controller(shared.clone()));
        ThreadPool { shared, control }
    }
}

impl<J: Job> Executor<J> for ThreadPool<J> {
    fn inlet(&self, sink: Arc<dyn Sink<J>>) -> Box<dyn Inlet<J>> {
        Box::new(ThreadInlet { shared: self.shared.clone(), sink, gathered: Vec::new() })
    }

    fn submit_with(&self, job: J, options: JobOptions) -> Result<JobFuture<J>, Refused> {
        let slots = Slots::new(1, Some(self.control.clone()));
        let future = JobFuture::new(Slot::new(&slots, 0));
        let task = Task { id: 0, tag: 0, job, options, sink: Arc::new(slots.clone()) };
        let id = Shared::try_submit(&self.shared, vec![task]).map_err(|(refused, _)| refused)?;
        slots.assign(0, Ticket(id));
        Ok(future)
    }

    fn workers(&self) -> usize {
        self.shared.most_threads
    }

    fn cancel_waiting(&self) {
        let waiting = std::mem::take(&mut self.shared.state.lock().queue);
        refuse(waiting, || Failure::Cancelled);
    }

    fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.news.notify_all();
    }

    fn stop(&self, _: Duration) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let mut state = self.shared.state.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.news.notify_all();
        refuse(waiting, || Failure::Cancelled);
    }

    fn join_within(&self, time: Duration) -> bool {
        self.shared.crew.join(deadline_after(time))
    }

    fn reports(&self) -> Vec<WorkerReport<J>> {
        std::mem::take(&mut self.shared.state.lock().reports)
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
        self.gathered.push(Task { id: 0, tag, job, options, sink: self.sink.clone() });
        if self.gathered.len() >= MOST_JOBS || self.shared.is_hungry() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            Shared::submit(&self.shared, std::mem::take(&mut self.gathered));
        }
    }

    fn is_hungry(&self) -> bool {
        self.shared.is_hungry()
    }

    fn refusal(&self) -> Option<Refused> {
        self.shared.state.lock().refusal()
    }

    fn cancel_waiting(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        let mut state = self.shared.state.lock();
        let ours = |task: &Task<J>| Arc::ptr_eq(&task.sink, &self.sink);
        let (waiting, others) = std::mem::take(&mut state.queue).into_iter().partition(ours);
        state.queue = others;
        drop(state);
        refuse(waiting.into_iter().chain(gathered), || Failure::Cancelled);
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
            state.queue.is_empty() && (state.idle > 0 || state.threads < self.most_threads)
        })
    }

    /// Submits tasks; those that come too late are resolved as cancelled.
    fn submit(this: &Arc<Shared<J>>, tasks: Vec<Task<J>>) {
        if let Err((refused, tasks)) = Shared::try_submit(this, tasks) {
            refuse(tasks, || match &refused {
                Refused::Closed => Failure::Cancelled,
                Refused::Broken(cause) => Failure::Abandoned(cause.clone()),
            });
        }
    }

    /// Submits tasks and answers with the number of the first, or gives them back if they come too late.
    fn try_submit(this: &Arc<Shared<J>>, tasks: Vec<Task<J>>) -> Result<u64, (Refused, Vec<Task<J>>)> {
        let mut state = this.state.lock();
        if let Some(refused) = state.refusal() {
            return Err((refused, tasks));
        }
        let first = state.next_id;
        state.next_id += tasks.len() as u64;
        let numbered = (first..).zip(tasks).map(|(id, task)| Task { id, ..task });
        state.queue.extend(numbered);
        while state.idle < state.queue.len() && state.threads < this.most_threads {
            if let Err(cause) = Shared::start(this, &mut state) {
                if state.threads == 0 {
                    let waiting = state.break_down(format!("no thread could be started: {cause}").into());
                    drop(state);
                    refuse(waiting, || Failure::Abandoned(cause.to_string().into()));
                    return Ok(first);
                }
                break;
            }
        }
        drop(state);
        this.news.notify_all();
        Ok(first)
    }

    fn start(this: &Arc<Shared<J>>, state: &mut State<J>) -> std::io::Result<()> {
        let slot = state.threads;
        let shared = this.clone();
        this.crew.spawn(format!("runner-{slot}"), move || shared.serve(slot))?;
        state.threads += 1;
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
            run_all(tasks, &mut context, &self.stopped);
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
        let report = finish_context(context);
        let mut state = self.state.lock();
        let worker = state.figures[slot].worker;
        state.reports.push(WorkerReport { worker, report });
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
    /// Why a task would not be taken.
    fn refusal(&self) -> Option<Refused> {
        self.closed.then(|| self.broken.clone().map_or(Refused::Closed, Refused::Broken))
    }

    fn break_down(&mut self, cause: Arc<str>) -> VecDeque<Task<J>> {
        self.closed = true;
        self.broken = Some(cause);
        std::mem::take(&mut self.queue)
    }
}

/// Runs tasks in order. Outcomes are handed over together, but not kept waiting for a slow job.
fn run_all<J: Job>(tasks: Vec<Task<J>>, context: &mut J::Context, stopped: &AtomicBool) {
    let mut done: Vec<Resolved<J>> = Vec::with_capacity(tasks.len());
    let mut to: Option<Arc<dyn Sink<J>>> = None;
    let mut handed_over = Instant::now();
    for Task { tag, job, options, sink, .. } in tasks {
        if let Some(other) = to.replace(sink.clone())
            && !Arc::ptr_eq(&other, &sink)
        {
            hand_over(&*other, std::mem::take(&mut done));
        }
        let outcome = match stopped.load(Ordering::Relaxed) {
            true => Err(Failure::Cancelled),
            false => run_here(job, options, context),
        };
        done.push(Resolved { tag, outcome });
        if handed_over.elapsed() > TARGET
            && let Some(sink) = &to
        {
            hand_over(&**sink, std::mem::take(&mut done));
            handed_over = Instant::now();
        }
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
