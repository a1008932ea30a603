//! The workers, which are started on demand, and the handling of signals.

use std::{io, num::NonZeroU64, sync::Arc, thread, time::Duration};

use console::{
    ExitStatus, exit,
    signals::{block_signals, watch},
};
use nix::sys::signal::{Signal, raise};
use parking_lot::Mutex;
use pool::{
    Executor, ProcessPool, ThreadPool,
    error::BuildError,
    settings::{BatchSize, MAX_WORKERS, available_cores},
};

use super::block::Block;

/// Environment variable with the number of workers.
const WORKERS_VARIABLE: &str = "RUNNER_WORKERS";

/// Time limit for stopping the workers. After it the program exits while workers may still be running.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// No block can be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("{WORKERS_VARIABLE} must be a number from 1 to {MAX_WORKERS}")]
    Workers,
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// An executor that is created when it is first used.
pub(super) struct LazyPool {
    workers: usize,
    /// Environment variables that workers must not inherit.
    secrets: &'static [&'static str],
    /// Shared with the thread that handles signals.
    executor: Arc<SharedExecutor>,
}

type SharedExecutor = Mutex<Option<Arc<dyn Executor<Block>>>>;

impl LazyPool {
    /// Creates the pool without workers, and blocks signals and starts the thread that handles them. Must be
    /// called before any other thread is started, because threads inherit the mask of blocked signals.
    pub(super) fn new(secrets: &'static [&'static str]) -> Result<LazyPool, SetupError> {
        let lazy_pool = LazyPool { workers: workers()?, secrets, executor: Arc::default() };
        let (signals, executor) = (block_signals(), lazy_pool.executor.clone());
        watch(signals, STOP_TIMEOUT, move |signal| {
            handle_signal(signal, &executor);
            true
        })?;
        Ok(lazy_pool)
    }

    /// Number of workers that run, or will be started.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Returns a pool of worker processes, which starts them for its first job. If it cannot be created or is
    /// broken, returns a pool of threads: blocks do not need a separate process.
    pub(super) fn executor(&self) -> Arc<dyn Executor<Block>> {
        let mut executor = self.executor.lock();
        let new = match &*executor {
            Some(executor) if executor.broken().is_none() => return executor.clone(),
            Some(_) => None,
            None => self.make_processes().ok(),
        };
        let new = new.unwrap_or_else(|| Arc::new(ThreadPool::new(self.workers, ())));
        executor.insert(new).clone()
    }

    fn make_processes(&self) -> Result<Arc<dyn Executor<Block>>, BuildError> {
        // A block is large enough to be a batch.
        let settings =
            ProcessPool::builder().workers(self.workers).batch_size(BatchSize::Fixed(NonZeroU64::MIN));
        let settings = self.secrets.iter().fold(settings, |settings, name| settings.env_remove(name));
        Ok(Arc::new(settings.build()?))
    }

    /// Shuts the workers down after they have finished their blocks.
    pub(super) fn shutdown(&self) {
        let executor = self.executor.lock().clone();
        if let Some(executor) = executor {
            executor.join();
        }
    }

    /// Stops the workers without waiting for their blocks.
    pub(super) fn stop(&self) {
        stop(&self.executor);
    }

    /// Blocks forever if a signal has been received, because the program is about to exit by that signal and
    /// must not print an error. Called when a block has been abandoned.
    pub(super) fn wait_for_exit_by_signal(&self) {
        while exit::received().is_some() {
            thread::park();
        }
    }
}

fn workers() -> Result<usize, SetupError> {
    let set = std::env::var_os(WORKERS_VARIABLE).filter(|text| !text.is_empty());
    let Some(text) = set else { return Ok(available_cores()) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| (1..=MAX_WORKERS).contains(number)).ok_or(SetupError::Workers)
}

/// Suspends this process together with the workers, or stops the workers and exits without finishing their
/// blocks.
fn handle_signal(signal: Signal, shared: &SharedExecutor) {
    if signal != Signal::SIGTSTP {
        stop(shared);
        exit::leave(ExitStatus::Signal(signal));
    }
    let executor = shared.lock().clone();
    if let Some(executor) = &executor {
        executor.pause();
    }
    let _ = raise(Signal::SIGSTOP);
    if let Some(executor) = &executor {
        executor.resume();
    }
}

fn stop(executor: &SharedExecutor) {
    // The lock is held, so that no thread creates another executor meanwhile.
    if let Some(executor) = &*executor.lock() {
        executor.stop(Duration::ZERO);
        let _ = executor.shutdown_timeout(STOP_TIMEOUT);
    }
}
