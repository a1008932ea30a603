//! A job with worker-local state whose start and end hooks can fail.

use std::path::PathBuf;

use pool::{Executor, Job, ProcessPool, settings::ProcessPoolBuilder, worker::Context};
use serde::{Deserialize, Serialize};

use crate::{
    probe::{TIMEOUT, mark, wait_until},
    program,
};

/// Adds to the sum of its worker and returns the sum.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add(pub u64);

/// Arguments of the worker-local state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TallyArgs {
    /// Sum before the first job.
    pub first: u64,
    /// File to which each start of a worker appends a line.
    pub starts: Option<PathBuf>,
    /// Action of the start hook.
    pub start: HookAction,
    /// Action of the end hook.
    pub end: HookAction,
    /// Size of the report in bytes.
    pub report_bytes: usize,
}

/// Action of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookAction {
    /// Succeeds.
    #[default]
    Succeed,
    /// Fails with this error.
    Error(String),
    /// Panics with this message.
    Panic(String),
    /// Waits until this file exists.
    Hang(PathBuf),
    /// Exits with this code.
    Exit(i32),
}

impl HookAction {
    fn perform(&self) -> Result<(), String> {
        match self {
            HookAction::Succeed => Ok(()),
            HookAction::Error(message) => Err(message.clone()),
            HookAction::Panic(message) => panic!("{message}"),
            HookAction::Hang(file) => {
                wait_until("the test releases the worker", || file.exists());
                Ok(())
            }
            HookAction::Exit(code) => std::process::exit(*code),
        }
    }
}

/// Worker-local state: the sum.
#[derive(Debug)]
pub struct Tally {
    args: TallyArgs,
    sum: u64,
}

/// Final report of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// The sum.
    pub sum: u64,
    /// As many bytes as the arguments request.
    pub bytes: Vec<u8>,
}

impl Context for Tally {
    type Args = TallyArgs;
    type Error = String;
    type Report = Sum;

    fn start(args: TallyArgs) -> Result<Tally, String> {
        if let Some(file) = &args.starts {
            mark(file);
        }
        args.start.perform()?;
        Ok(Tally { sum: args.first, args })
    }

    fn finish(self) -> Result<Sum, String> {
        self.args.end.perform()?;
        Ok(Sum { sum: self.sum, bytes: vec![7; self.args.report_bytes] })
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

/// Returns a builder for a pool of one worker with this state.
pub fn tally_builder(args: TallyArgs) -> ProcessPoolBuilder<Add> {
    ProcessPool::builder_with(args).workers(1).worker_program(program("probe-worker"))
}

/// Runs one job and returns the sum of its worker.
///
/// # Panics
/// If the job fails.
pub fn add(executor: &dyn Executor<Add>, number: u64) -> u64 {
    executor.submit(Add(number)).expect("the pool is closed").result_timeout(TIMEOUT).expect("the job failed")
}
