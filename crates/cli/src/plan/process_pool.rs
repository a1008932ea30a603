//! Settings of a pool of worker processes.

use std::{num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use ops::{Builtin, Limits};
use pool::{
    ProcessPool,
    error::BuildError,
    metrics::Observer,
    settings::{BatchSize, CodecKind, Sandbox, Transport},
};

use crate::args::RunOptions;

/// Settings of a pool of processes.
#[derive(Debug)]
pub(super) struct PoolPlan {
    batch: BatchSize,
    codec: CodecKind,
    transport: Transport,
    timeout: Option<Duration>,
    kill_after: Duration,
    retries: u32,
    timeout_retries: u32,
    max_memory: Option<u64>,
    max_rss: Option<u64>,
    recycle_rss: Option<u64>,
    max_jobs_per_worker: Option<NonZeroU64>,
    pin: bool,
    nice: i32,
    start_delay: Duration,
    /// Executable of the workers; `None` is this executable.
    pub(super) worker_bin: Option<PathBuf>,
}

impl PoolPlan {
    pub(super) fn new(arguments: &RunOptions) -> PoolPlan {
        PoolPlan {
            batch: arguments.batch,
            codec: arguments.codec.unwrap_or_default(),
            transport: arguments.transport.map(Into::into).unwrap_or_default(),
            timeout: arguments.timeout,
            kill_after: arguments.kill_after,
            retries: arguments.supervision.retries,
            timeout_retries: arguments.supervision.timeout_retries,
            max_memory: arguments.supervision.max_memory.map(|size| size.0),
            max_rss: arguments.supervision.max_rss.map(|size| size.0),
            recycle_rss: arguments.supervision.recycle_rss.map(|size| size.0),
            max_jobs_per_worker: arguments.supervision.max_jobs_per_worker,
            pin: arguments.supervision.pin,
            nice: arguments.supervision.nice.unwrap_or(0),
            start_delay: arguments.admission.start_delay.unwrap_or_default(),
            worker_bin: arguments.worker_bin.clone(),
        }
    }

    /// Creates the pool.
    pub(super) fn build(
        &self,
        limits: Limits,
        sandbox: Sandbox,
        workers: usize,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<ProcessPool<Builtin>, BuildError> {
        let mut builder = ProcessPool::builder_with(limits)
            .workers(workers)
            .batch_size(self.batch)
            .codec(self.codec)
            .transport(self.transport)
            .grace_period(self.kill_after)
            .retries(self.retries)
            .timeout_retries(self.timeout_retries)
            .pin(self.pin)
            .nice(self.nice)
            .start_delay(self.start_delay)
            .sandbox(sandbox);
        if let Some(limit) = self.timeout {
            builder = builder.time_limit(limit);
        }
        if let Some(bytes) = self.max_memory {
            builder = builder.max_memory(bytes);
        }
        if let Some(bytes) = self.max_rss {
            builder = builder.max_rss(bytes);
        }
        if let Some(bytes) = self.recycle_rss {
            builder = builder.recycle_rss(bytes);
        }
        if let Some(jobs) = self.max_jobs_per_worker {
            builder = builder.max_jobs_per_worker(jobs);
        }
        if let Some(program) = &self.worker_bin {
            builder = builder.worker_program(program);
        }
        for secret in ops::SECRET_VARIABLES {
            builder = builder.env_remove(secret);
        }
        if let Some(observer) = observer {
            builder = builder.observer(observer);
        }
        builder.build()
    }
}
