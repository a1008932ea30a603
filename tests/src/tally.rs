//! A job with worker-local state, whose end can be watched.

use std::path::PathBuf;

use pool::{Context, Executor, Job, ProcessPool, ProcessPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::{
    probe::{LIMIT, mark, until},
    program,
};

/// Adds to the number that its worker keeps, and yields it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add(pub u64);

/// What the worker-local state is made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// What the worker's number is before its first job.
    pub first: u64,
    /// Gets a line for each start of a worker.
    pub starts: Option<PathBuf>,
    /// How it starts.
    pub start: Fate,
    /// How it ends.
    pub end: Fate,
    /// How many bytes the report holds.
    pub report_bytes: usize,
}

/// What becomes of a start or an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It goes well.
    #[default]
    Good,
    /// It reports this error.
    Error(String),
    /// It panics with this message.
    Panic(String),
    /// It lasts until this file is there.
    Hang(PathBuf),
    /// It exits with this code.
    Exit(i32),
}

impl Fate {
    fn befall(&self) -> Result<(), String> {
        match self {
            Fate::Good => Ok(()),
            Fate::Error(message) => Err(message.clone()),
            Fate::Panic(message) => panic!("{message}"),
            Fate::Hang(file) => {
                until("a test lets the worker go", || file.exists());
                Ok(())
            }
            Fate::Exit(code) => std::process::exit(*code),
        }
    }
}

/// A number, and how it will end.
#[derive(Debug)]
pub struct Tally {
    plan: Plan,
    sum: u64,
}

/// What a worker says at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Its number.
    pub sum: u64,
    /// As much as was asked for.
    pub bytes: Vec<u8>,
}

impl Context for Tally {
    type Args = Plan;
    type Error = String;
    type Report = Sum;

    fn start(plan: Plan) -> Result<Tally, String> {
        if let Some(file) = &plan.starts {
            mark(file);
        }
        plan.start.befall()?;
        Ok(Tally { sum: plan.first, plan })
    }

    fn finish(self) -> Result<Sum, String> {
        self.plan.end.befall()?;
        Ok(Sum { sum: self.sum, bytes: vec![7; self.plan.report_bytes] })
    }
}

impl Job for Add {
    const NAME: &'static str = "add";
    type Output = u64;
    type Error = String;
    type Context = Tally;

    fn run(self, tally: &mut Tally) -> Result<u64, String> {
        tally.sum += self.0;
        Ok(tally.sum)
    }
}

/// A pool of one worker to be, whose state is made of this plan.
pub fn tallies(plan: Plan) -> ProcessPoolBuilder<Add> {
    ProcessPool::builder_with(plan).workers(1).worker_program(program("probe-worker"))
}

/// Runs one job and yields its worker's number.
///
/// # Panics
/// When the job fails.
pub fn add(executor: &dyn Executor<Add>, number: u64) -> u64 {
    executor.submit(Add(number)).expect("the pool is open").result(LIMIT).expect("adding cannot fail")
}
