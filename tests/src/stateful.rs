//! A job type whose workers have a state, which may fail to be made.

use std::{
    path::PathBuf,
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use pool::{Context, Job};
use serde::{Deserialize, Serialize};

use crate::{
    probe::{Stage, append, mark},
    trap::{Manner, Value, What, When},
};

static STARTS: AtomicU64 = AtomicU64::new(0);

/// How many states have been made in this process.
#[must_use]
pub fn starts() -> u64 {
    STARTS.load(Ordering::SeqCst)
}

/// What a state is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// A file in which each process that makes a state notes its number.
    pub log: Option<PathBuf>,
    /// A word for the jobs.
    pub word: String,
    /// How long it takes.
    pub takes: Duration,
    /// What goes wrong.
    pub trap: Value,
}

impl Default for Setup {
    fn default() -> Setup {
        let trap = Value { is: What::Setup, plan: None };
        Setup { log: None, word: String::new(), takes: Duration::ZERO, trap }
    }
}

impl Setup {
    /// One that goes wrong.
    #[must_use]
    pub fn wrong(when: When, manner: Manner) -> Setup {
        let trap = Value { is: What::Setup, plan: Some((What::Setup, when, manner)) };
        Setup { trap, ..Setup::default() }
    }

    /// One that notes its process in a file of this stage.
    #[must_use]
    pub fn logging(stage: &Stage) -> Setup {
        Setup { log: Some(stage.file("starts")), ..Setup::default() }
    }
}

/// What each worker has.
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
        thread::sleep(setup.takes);
        match setup.trap.trap(When::Used) {
            Some(manner) => Err(manner.go_wrong()),
            None => Ok(State { word: setup.word, jobs: 0 }),
        }
    }
}

/// What a job sees of its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The number of its process.
    pub pid: u64,
    /// How many states have been made there.
    pub starts: u64,
    /// The state's word.
    pub word: String,
    /// How many jobs have run in the state, with this one.
    pub jobs: u64,
}

/// A job that looks around.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Look {
    /// Yields what there is to see.
    Around,
    /// Marks a file.
    Mark(PathBuf),
    /// Ends its process.
    Exit,
}

impl Job for Look {
    const NAME: &'static str = "look";
    type Output = Seen;
    type Error = ();
    type Context = State;

    fn run(self, state: &mut State) -> Result<Seen, ()> {
        state.jobs += 1;
        match self {
            Look::Around => {}
            Look::Mark(file) => mark(&file),
            Look::Exit => process::exit(5),
        }
        Ok(Seen { pid: process::id().into(), starts: starts(), word: state.word.clone(), jobs: state.jobs })
    }
}
