//! What a pool is made of.

use std::{ffi::OsString, num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use job::{Context, Job};
use sched::{Batch, OnWorkerDeath, Settings};
use wire::{CodecError, CodecKind, Rendezvous, RendezvousError};

use super::{ProcessPool, recipe::Recipe, shared::Shared, submit::Controller};
use crate::{available_cores, is_stray_worker};

/// The most workers that a pool can have.
pub const MAX_WORKERS: usize = 1024;

/// How deep pools may be nested: a job that builds a pool whose jobs build pools has a depth of 2.
pub const MAX_DEPTH: u32 = 10;

/// Tells a worker how deep it is.
const DEPTH_VARIABLE: &str = "RUNNER_WORKER_DEPTH";

/// How many pools this process is nested in; none if it is no worker.
fn depth_of_this_process() -> u32 {
    std::env::var(DEPTH_VARIABLE).ok().and_then(|depth| depth.parse().ok()).unwrap_or(0)
}

/// Settings of a [`ProcessPool`]; each has a default.
#[must_use]
pub struct ProcessPoolBuilder<J: Job> {
    args: <J::Context as Context>::Args,
    workers: usize,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    codec: CodecKind,
    settings: Settings,
}

/// Why a pool cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No pool can have so many workers.
    #[error(transparent)]
    Workers(#[from] WorkerCountError),
    /// Workers and parent could not meet.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// The arguments of the workers' state cannot be encoded.
    #[error("the arguments of the workers' state: {0}")]
    Context(#[from] CodecError),
    /// This process is a worker itself, of a program that never calls `enter_if_worker` for this type of job: its
    /// `main` has started to make workers that would do the same.
    #[error("this program was started as a worker, but `main` does not begin with `enter_if_worker`")]
    NoEntry,
    /// This process is a worker of a pool in a worker of a pool and so on, [`MAX_DEPTH`] deep.
    #[error("pools are nested {MAX_DEPTH} deep; one more is taken for a mistake")]
    TooDeep,
}

/// A number of workers that no pool can have: it is not between 1 and [`MAX_WORKERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number of workers must be from 1 to {MAX_WORKERS}, not {0}")]
pub struct WorkerCountError(pub usize);

pub(super) fn worker_count(workers: usize) -> Result<u32, WorkerCountError> {
    match u32::try_from(workers) {
        Ok(count) if (1..=MAX_WORKERS).contains(&workers) => Ok(count),
        _ => Err(WorkerCountError(workers)),
    }
}

impl<J: Job> ProcessPoolBuilder<J> {
    pub(crate) fn new(args: <J::Context as Context>::Args) -> ProcessPoolBuilder<J> {
        ProcessPoolBuilder {
            args,
            workers: available_cores(),
            // The running program even if its file has been replaced meanwhile.
            program: PathBuf::from("/proc/self/exe"),
            environment: Vec::new(),
            codec: CodecKind::default(),
            settings: Settings::default(),
        }
    }

    /// How many workers there may be at a time, from 1 to [`MAX_WORKERS`]; by default one a core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The program to start as a worker; by default this one, which then has to call
    /// [`enter_if_worker`](crate::enter_if_worker) first thing in `main`.
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Sets a variable in the environment of the workers, which otherwise is that of this process.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// How jobs and outcomes are encoded.
    pub fn codec(mut self, codec: CodecKind) -> Self {
        self.codec = codec;
        self
    }

    /// How often a job is tried again after its worker died in it; 2 by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// How often a job is tried again after it ran past its time limit; 0 by default.
    pub fn timeout_retries(mut self, retries: u32) -> Self {
        self.settings.timeout_retries = retries;
        self
    }

    /// A time limit for each job that has none of its own, counted from the job's start.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// How long a worker that was sent SIGTERM, because its job ran too long or by
    /// [`terminate_workers`](ProcessPool::terminate_workers), has to end before SIGKILL; 1 second by default.
    pub fn kill_after(mut self, time: Duration) -> Self {
        self.settings.kill_after = time;
        self
    }

    /// How many jobs a worker serves before another takes its place; by default there is no limit.
    pub fn max_jobs_per_worker(mut self, jobs: NonZeroU64) -> Self {
        self.settings.max_jobs_per_worker = Some(jobs);
        self
    }

    /// How long a worker may take to start, its state included; 1 minute by default. One that takes longer is killed,
    /// and counts as one that could not be started.
    pub fn start_limit(mut self, time: Duration) -> Self {
        self.settings.start_limit = time;
        self
    }

    /// How long a worker may take to leave, [`Context::finish`] included; 5 seconds by default. One that takes longer
    /// is killed.
    pub fn exit_limit(mut self, time: Duration) -> Self {
        self.settings.exit_limit = time;
        self
    }

    /// How long a worker may have nothing to do before it leaves; by default it stays. Workers are started again when
    /// there is work for them.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.settings.idle_timeout = Some(time);
        self
    }

    /// How many jobs go into a frame; by default as many as pay off.
    pub fn batch(mut self, batch: Batch) -> Self {
        self.settings.batch = batch;
        self
    }

    /// What the death of a worker means to the others; by default the pool heals.
    pub fn on_worker_death(mut self, policy: OnWorkerDeath) -> Self {
        self.settings.on_worker_death = policy;
        self
    }

    /// Makes the pool. No worker is started before the first job.
    ///
    /// # Errors
    /// When the settings are out of range, or the system does not have what workers need.
    pub fn build(mut self) -> Result<ProcessPool<J>, BuildError> {
        if is_stray_worker() {
            return Err(BuildError::NoEntry);
        }
        let depth = depth_of_this_process();
        if depth >= MAX_DEPTH {
            return Err(BuildError::TooDeep);
        }
        self.settings.max_workers = worker_count(self.workers)?;
        Rendezvous::check()?;
        let mut context = Vec::new();
        self.codec.encode(&self.args, &mut context)?;
        self.environment.push((DEPTH_VARIABLE.into(), (depth + 1).to_string().into()));
        let recipe = Recipe {
            program: self.program,
            environment: self.environment,
            job_type: J::NAME,
            codec: self.codec,
            context,
        };
        let kill_after = self.settings.kill_after;
        let shared = Arc::new(Shared::new(recipe, self.settings));
        let control = Arc::new(Controller(shared.clone()));
        Ok(ProcessPool { shared, control, kill_after })
    }
}
