//! Admission control: pauses a run while the machine is busy with other work, and continues it afterwards.
//!
//! A thread reads the state of the machine a few times per second; `decision` decides what follows. While the
//! run is paused, the pool is held: running jobs finish, and no others start. Without `--max-load` and
//! `--min-free-memory` there is no thread.

mod decision;

use std::{
    io, process,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ops::Builtin;
use pool::{Executor, ProcessPool};
use sys::load::Machine;

use self::decision::{Admission, Change, Conditions, Reading};
use crate::{
    args::MaxLoad,
    error::{RunError, warn},
    plan::{AdmissionPlan, Plan},
    report::Pauses,
};

/// Interval of the readings.
const INTERVAL: Duration = Duration::from_millis(250);

/// Checks that the values that the plan limits can be read. Called before any file is changed.
///
/// # Errors
/// If one of them cannot be read.
pub(super) fn check_machine(plan: &Plan) -> Result<(), RunError> {
    let Some(conditions) = &plan.admission else { return Ok(()) };
    let machine = Machine::below(&conditions.system_root);
    let read = || {
        max_threads(conditions, &machine)?.map(|_| machine.runnable()).transpose()?;
        conditions.min_free_memory.map(|_| machine.available_memory()).transpose()
    };
    read().map(drop).map_err(RunError::ReadMachine)
}

/// Returns the maximum number of runnable threads of other processes.
fn max_threads(conditions: &AdmissionPlan, machine: &Machine) -> io::Result<Option<f64>> {
    Ok(match conditions.max_load {
        Some(MaxLoad::Threads(threads)) => Some(threads),
        Some(MaxLoad::PerCore(threads)) => Some(threads * machine.cores()? as f64),
        None => None,
    })
}

/// The thread of the admission control. Ends when this is dropped.
pub(super) struct AdmissionThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdmissionThread {
    /// Takes the first reading, and starts the thread. Called before the first job is read. Does nothing if
    /// the plan has no conditions.
    ///
    /// # Errors
    /// If the state of the machine cannot be read, or the thread cannot be started.
    pub(super) fn start(
        plan: &Plan,
        pool: Option<&Arc<ProcessPool<Builtin>>>,
        pauses: &Arc<Pauses>,
    ) -> Result<Option<AdmissionThread>, RunError> {
        let Some((conditions, pool)) = plan.admission.as_ref().zip(pool) else { return Ok(None) };
        let control = Control::new(conditions, pool.clone(), pauses.clone(), plan.quiet);
        let mut control = control.map_err(RunError::ReadMachine)?;
        control.note(control.read().map_err(RunError::ReadMachine)?);
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("runner-admission".into());
        let thread = thread.spawn(move || control.run(&stopped)).map_err(RunError::Thread)?;
        Ok(Some(AdmissionThread { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for AdmissionThread {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Control {
    machine: Machine,
    conditions: Conditions,
    admission: Admission,
    pool: Arc<ProcessPool<Builtin>>,
    pauses: Arc<Pauses>,
    quiet: bool,
}

impl Control {
    fn new(
        plan: &AdmissionPlan,
        pool: Arc<ProcessPool<Builtin>>,
        pauses: Arc<Pauses>,
        quiet: bool,
    ) -> io::Result<Control> {
        let machine = Machine::below(&plan.system_root);
        let max_load = max_threads(plan, &machine)?;
        let min_memory = plan.min_free_memory;
        let conditions = Conditions { max_load, min_memory, min_pause: min_pause() };
        let admission = Admission::new(conditions);
        Ok(Control { machine, conditions, admission, pool, pauses, quiet })
    }

    fn run(mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
            // A file that could be read before is missing at most for a moment.
            self.note(self.read().unwrap_or_default());
        }
    }

    fn read(&self) -> io::Result<Reading> {
        let Conditions { max_load, min_memory, .. } = self.conditions;
        let load = max_load.map(|_| self.read_load()).transpose()?;
        let memory = min_memory.map(|_| self.machine.available_memory()).transpose()?;
        let idle_memory = if memory < min_memory { self.idle_memory() } else { 0 };
        Ok(Reading { load, memory, idle_memory })
    }

    /// Returns the number of runnable threads that do not belong to this run. All of this run are descendants
    /// of this process.
    fn read_load(&self) -> io::Result<f64> {
        let all = self.machine.runnable()?;
        Ok(all as f64 - self.machine.runnable_of(process::id()) as f64)
    }

    /// Returns the memory of the workers if none of them has a job.
    fn idle_memory(&self) -> u64 {
        match self.pool.counts().running {
            0 => self.pool.resident_sizes().iter().map(|(_, bytes)| bytes).sum(),
            _ => 0,
        }
    }

    fn note(&mut self, reading: Reading) {
        let now = Instant::now();
        match self.admission.note(now, reading) {
            Some(Change::Pause(cause)) => {
                self.pool.hold();
                self.pauses.begin(now, cause.to_string());
                self.print(&format!("paused: {cause}; running jobs finish"));
            }
            Some(Change::Resume(length)) => {
                self.pool.release();
                self.pauses.end(now);
                self.print(&format!("resumed after {:.1} s", length.as_secs_f64()));
            }
            None => {}
        }
    }

    fn print(&self, message: &str) {
        if !self.quiet {
            warn(message);
        }
    }
}

/// Returns the minimum length of a pause: between one and two seconds, and not the same for all runs, so that
/// runs that pause because of each other do not resume at the same time.
fn min_pause() -> Duration {
    Duration::from_millis(1000 + u64::from(process::id() % 1000))
}
