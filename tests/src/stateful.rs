//! A job type with worker-local state whose creation may fail.

use std::{
    path::PathBuf,
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use pool::{Job, worker::Context};
use serde::{Deserialize, Serialize};

use crate::{
    bad_serde::{FailingValue, FailureKind, Phase, Target},
    probe::{Barrier, append, mark},
};

static STARTS: AtomicU64 = AtomicU64::new(0);

/// Returns the number of states that this process has created.
#[must_use]
pub fn starts() -> u64 {
    STARTS.load(Ordering::SeqCst)
}

/// Arguments of a state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// File to which each process that creates a state appends its id.
    pub log: Option<PathBuf>,
    /// A word that jobs can read.
    pub word: String,
    /// Duration of the creation.
    pub start_delay: Duration,
    /// Failure of the creation.
    pub failure: FailingValue,
}

impl Default for Setup {
    fn default() -> Setup {
        let failure = FailingValue { is: Target::Setup, plan: None };
        Setup { log: None, word: String::new(), start_delay: Duration::ZERO, failure }
    }
}

impl Setup {
    /// Returns arguments with which the creation fails.
    #[must_use]
    pub fn failing(when: Phase, kind: FailureKind) -> Setup {
        let failure = FailingValue { is: Target::Setup, plan: Some((Target::Setup, when, kind)) };
        Setup { failure, ..Setup::default() }
    }

    /// Returns arguments with which each process logs its id to the file `starts`.
    #[must_use]
    pub fn logging(barrier: &Barrier) -> Setup {
        Setup { log: Some(barrier.file("starts")), ..Setup::default() }
    }
}

/// Worker-local state.
pub struct State {
    word: String,
    jobs: u64,
}

impl Context for State {
    type Args = Setup;
    type Error = &'static str;
    type Report = ();

    fn start(setup: Setup) -> Result<State, &'static str> {
        STARTS.fetch_add(1, Ordering::SeqCst);
        if let Some(log) = &setup.log {
            append(log, &process::id().to_string());
        }
        thread::sleep(setup.start_delay);
        match setup.failure.failure_in(Phase::Use) {
            Some(kind) => Err(kind.fail()),
            None => Ok(State { word: setup.word, jobs: 0 }),
        }
    }
}

/// Worker state that a job observes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSnapshot {
    /// Id of its process.
    pub pid: u64,
    /// Number of states that the process has created.
    pub starts: u64,
    /// Word of the state.
    pub word: String,
    /// Number of jobs that have used the state, including this one.
    pub jobs: u64,
}

/// A job that inspects its worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Inspect {
    /// Returns the state of the worker.
    State,
    /// Appends a line to a file.
    Mark(PathBuf),
    /// Exits with code 5.
    Exit,
}

impl Job for Inspect {
    const NAME: &'static str = "inspect";
    type Output = StateSnapshot;
    type Error = ();
    type Context = State;

    fn run(self, state: &mut State) -> Result<StateSnapshot, ()> {
        state.jobs += 1;
        match self {
            Inspect::State => {}
            Inspect::Mark(file) => mark(&file),
            Inspect::Exit => process::exit(5),
        }
        Ok(StateSnapshot {
            pid: process::id().into(),
            starts: starts(),
            word: state.word.clone(),
            jobs: state.jobs,
        })
    }
}
