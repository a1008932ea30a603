//! The workers, started when they are needed, and the end by a signal.

use std::{io, num::NonZeroU64, sync::Arc, thread, time::Duration};

use nix::sys::signal::{Signal, raise};
use parking_lot::Mutex;
use pool::{BatchSize, BuildError, Executor, MAX_WORKERS, ProcessPool, ThreadPool, available_cores};

use super::block::Block;
use crate::{
    exit::{self, ExitStatus},
    interrupt::{block_signals, received, watch},
};

/// How many workers there may be, if not one a core.
const WORKERS_VARIABLE: &str = "RUNNER_WORKERS";

/// How long workers may take to leave before the program ends all the same.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What keeps blocks from being run at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum CrewError {
    #[error("{WORKERS_VARIABLE} must be a number from 1 to {MAX_WORKERS}")]
    Workers,
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The workers, once they are needed.
pub(super) struct Crew {
    workers: usize,
    /// Shared with the thread that takes signals.
    pool: Arc<SharedPool>,
}

type SharedPool = Mutex<Option<Arc<dyn Executor<Block>>>>;

impl Crew {
    /// Makes ready for them; to be called before any other thread is started, so that signals end the program in good order.
    pub(super) fn new() -> Result<Crew, CrewError> {
        let crew = Crew { workers: workers()?, pool: Arc::default() };
        let (signals, pool) = (block_signals(), crew.pool.clone());
        watch(signals, AT_ONCE, move |signal| {
            heed(signal, &pool);
            true
        })?;
        Ok(crew)
    }

    /// How many workers there are, or will be.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Worker processes, which are started by the first job, or threads of this process if they cannot be started: no
    /// block needs a process of its own.
    pub(super) fn pool(&self) -> Arc<dyn Executor<Block>> {
        let mut pool = self.pool.lock();
        let made = match &*pool {
            Some(pool) if pool.broken().is_none() => return pool.clone(),
            Some(_) => None,
            None => self.make_processes().ok(),
        };
        let made = made.unwrap_or_else(|| Arc::new(ThreadPool::new(self.workers, ())));
        pool.insert(made).clone()
    }

    fn make_processes(&self) -> Result<Arc<dyn Executor<Block>>, BuildError> {
        // A block is as much as is worth a batch.
        let settings =
            ProcessPool::builder().workers(self.workers).batch_size(BatchSize::Fixed(NonZeroU64::MIN));
        let settings = ops::SECRETS.into_iter().fold(settings, |settings, name| settings.env_remove(name));
        Ok(Arc::new(settings.build()?))
    }

    /// Sends them away when they have done what they have.
    pub(super) fn dismiss(&self) {
        let pool = self.pool.lock().clone();
        if let Some(pool) = pool {
            pool.shutdown(true, false);
        }
    }

    /// Ends them, whatever they do.
    pub(super) fn end(&self) {
        end(&self.pool);
    }

    /// To be asked when a block was given up. Does not return if a signal has brought that about: nothing is to be said, and
    /// the program is about to end by it.
    pub(super) fn yield_to_signal(&self) {
        while received().is_some() {
            thread::park();
        }
    }
}

fn workers() -> Result<usize, CrewError> {
    let set = std::env::var_os(WORKERS_VARIABLE).filter(|text| !text.is_empty());
    let Some(text) = set else { return Ok(available_cores()) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| (1..=MAX_WORKERS).contains(number)).ok_or(CrewError::Workers)
}

/// Stops with the workers, or ends with them: nothing has to be finished.
fn heed(signal: Signal, shared: &SharedPool) {
    if signal != Signal::SIGTSTP {
        end(shared);
        exit::leave(ExitStatus::Signal(signal));
    }
    let pool = shared.lock().clone();
    if let Some(pool) = &pool {
        pool.pause();
    }
    let _ = raise(Signal::SIGSTOP);
    if let Some(pool) = &pool {
        pool.resume();
    }
}

fn end(pool: &SharedPool) {
    // Kept locked: nobody starts others meanwhile.
    if let Some(pool) = &*pool.lock() {
        pool.stop(Duration::ZERO);
        pool.join_timeout(AT_ONCE);
    }
}
