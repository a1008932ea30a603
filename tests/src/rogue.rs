//! A worker that violates the protocol.
//!
//! Environment variables select the violation: see [`Misbehavior`], [`RoguePlan`] and [`rogue_builder`].

mod overwrite;
mod worker;

use std::{env, fs::File, io::Write, path::PathBuf};

use pool::settings::ProcessPoolBuilder;

use crate::{
    probe::{self, Probe},
    program,
};

pub use worker::main;

const MISBEHAVIOR: &str = "ROGUE_MISBEHAVIOR";
const GOOD_BATCHES: &str = "ROGUE_GOOD_BATCHES";
const PUBLISHES: &str = "ROGUE_PUBLISHES";
const ONCE: &str = "ROGUE_ONCE";
const SEED: &str = "ROGUE_SEED";

/// Misbehavior of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehavior {
    /// Exits before it connects to its parent.
    ExitsImmediately,
    /// Lives on and never connects.
    NeverConnects,
    /// Connects, sends something else than the ends of a link, and exits.
    ConnectsWithGarbage,
    /// Connects, sends something else than the ends of a link, and hangs.
    ConnectsWithGarbageAndHangs,
    /// Rings the doorbell and never connects.
    RingsDoorbellOnly,
    /// Connects, rings the doorbell, and sends nothing.
    ConnectsAndHangs,
    /// Connects and never sends its hello.
    NeverSendsHello,
    /// Connects and exits before its hello.
    ExitsBeforeHello,
    /// Announces another version of the protocol.
    OtherVersion,
    /// Serves another job type.
    OtherJobType,
    /// Sends a hello that cannot be decoded.
    GarbageHello,
    /// Sends a first packet that claims a size that ipc-channel cannot handle.
    OversizedHello,
    /// Exits after its hello.
    ExitsInHandshake,
    /// Acknowledges a part of a welcome that was sent whole.
    EarlyAck,
    /// Never reports that it is ready.
    NeverReady,

    /// Exits when it has a batch.
    Exits,
    /// Never answers.
    NeverAnswers,
    /// Closes its link and keeps running.
    Disconnects,
    /// Answers with outcomes that cannot be parsed.
    GarbageOutcomes,
    /// Answers with a packet that is not a message.
    GarbagePacket,
    /// Answers with a message of an unknown tag.
    UnknownTag,
    /// Answers with a batch of jobs.
    SendsJobs,
    /// Answers with a packet above the maximum size.
    LargePacket,
    /// Answers with a packet that is large enough to be sent through a second socket.
    HugePacket,
    /// Stops in the middle of a large answer, and keeps running.
    HalfThenHangs,
    /// Exits in the middle of a large answer.
    HalfThenExits,
    /// Starts an answer within an answer.
    Nested,
    /// Answers twice.
    AnswersTwice,
    /// Answers a batch that was not assigned to it.
    ForeignBatch,
    /// Sends one outcome too many.
    TooManyOutcomes,
    /// Sends no outcome at all.
    TooFewOutcomes,
    /// Acknowledges a part that was not sent.
    UnsolicitedAck,
    /// Sends its final report without having been asked to exit.
    UnsolicitedReport,
    /// Lists a file twice.
    RepeatsFiles,

    /// Sends outcomes of an unknown kind: not a reason to kill it.
    UnknownStatus,
    /// Sends outcomes that cannot be decoded: not a reason to kill it.
    Undecodable,
    /// Lists files that do not exist, are not sealed, or belong to no outcome: not a reason to kill it.
    WrongFiles,
    /// Claims to have been busy for centuries: not a reason to kill it.
    AbsurdBusy,
    /// Blocks SIGTERM and ignores the request to exit.
    IgnoresShutdown,
    /// Overwrites all shared memory that it can write to with random values, and answers correctly meanwhile.
    OverwritesMemory,
}

use Misbehavior::{
    AbsurdBusy, AnswersTwice, ConnectsAndHangs, ConnectsWithGarbage, ConnectsWithGarbageAndHangs,
    Disconnects, EarlyAck, Exits, ExitsBeforeHello, ExitsImmediately, ExitsInHandshake, ForeignBatch,
    GarbageHello, GarbageOutcomes, GarbagePacket, HalfThenExits, HalfThenHangs, HugePacket, IgnoresShutdown,
    LargePacket, Nested, NeverAnswers, NeverConnects, NeverReady, NeverSendsHello, OtherJobType,
    OtherVersion, OversizedHello, OverwritesMemory, RepeatsFiles, RingsDoorbellOnly, SendsJobs,
    TooFewOutcomes, TooManyOutcomes, Undecodable, UnknownStatus, UnknownTag, UnsolicitedAck,
    UnsolicitedReport, WrongFiles,
};

/// Misbehavior that prevents a worker from starting and is detected immediately.
pub const FAILS_TO_START: [Misbehavior; 10] = [
    ExitsImmediately,
    ConnectsWithGarbage,
    RingsDoorbellOnly,
    ExitsBeforeHello,
    OtherVersion,
    OtherJobType,
    GarbageHello,
    OversizedHello,
    ExitsInHandshake,
    EarlyAck,
];

/// Misbehavior that keeps a worker from ever being ready and is detected by the start timeout.
pub const NEVER_READY: [Misbehavior; 5] =
    [NeverConnects, ConnectsWithGarbageAndHangs, ConnectsAndHangs, NeverSendsHello, NeverReady];

/// Misbehavior of a worker that has a batch, for which it is killed.
pub const FAILS_ON_BATCH: [Misbehavior; 17] = [
    Exits,
    Disconnects,
    GarbageOutcomes,
    GarbagePacket,
    UnknownTag,
    SendsJobs,
    LargePacket,
    HugePacket,
    HalfThenExits,
    Nested,
    AnswersTwice,
    ForeignBatch,
    TooManyOutcomes,
    TooFewOutcomes,
    UnsolicitedAck,
    UnsolicitedReport,
    RepeatsFiles,
];

const OTHERS: [Misbehavior; 8] = [
    NeverAnswers,
    HalfThenHangs,
    UnknownStatus,
    Undecodable,
    WrongFiles,
    AbsurdBusy,
    IgnoresShutdown,
    OverwritesMemory,
];

/// Misbehavior of a worker, and when it occurs.
#[derive(Clone, Debug)]
pub struct RoguePlan {
    /// Misbehavior.
    pub misbehavior: Misbehavior,
    /// Number of batches that it answers correctly before.
    pub good_batches: u64,
    /// Whether it publishes the job that it is in when it misbehaves.
    pub publishes_job: bool,
    /// If set, only the worker that creates this file misbehaves; the file then contains its process id.
    pub once: Option<PathBuf>,
    /// Seed of the random values.
    pub seed: u64,
}

impl RoguePlan {
    /// Creates a plan by which every worker misbehaves at the first opportunity and does not publish its job.
    #[must_use]
    pub fn new(misbehavior: Misbehavior) -> RoguePlan {
        RoguePlan { misbehavior, good_batches: 0, publishes_job: false, once: None, seed: 0 }
    }

    /// Returns the environment variables that encode the plan.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (MISBEHAVIOR, format!("{:?}", self.misbehavior)),
            (GOOD_BATCHES, self.good_batches.to_string()),
            (SEED, self.seed.to_string()),
        ];
        variables.extend(self.publishes_job.then(|| (PUBLISHES, "1".to_owned())));
        variables.extend(self.once.as_ref().map(|file| (ONCE, file.display().to_string())));
        variables
    }

    fn from_env() -> RoguePlan {
        let misbehavior = env::var(MISBEHAVIOR).expect("ROGUE_MISBEHAVIOR is not set");
        let all = [&FAILS_TO_START[..], &NEVER_READY, &FAILS_ON_BATCH, &OTHERS].concat();
        RoguePlan {
            misbehavior: *all
                .iter()
                .find(|one| format!("{one:?}") == misbehavior)
                .expect("unknown misbehavior"),
            good_batches: env::var(GOOD_BATCHES).map_or(0, |number| number.parse().expect("not a number")),
            publishes_job: env::var_os(PUBLISHES).is_some(),
            once: env::var_os(ONCE).map(PathBuf::from),
            seed: env::var(SEED).map_or(0, |number| number.parse().expect("not a number")),
        }
    }

    /// Returns whether this worker misbehaves.
    fn applies(&self) -> bool {
        self.once.as_ref().is_none_or(|file| {
            let created = File::create_new(file);
            created.is_ok_and(|mut file| write!(file, "{}", std::process::id()).is_ok())
        })
    }
}

/// Returns a builder for a pool whose workers follow a plan.
pub fn rogue_builder(workers: usize, plan: &RoguePlan) -> ProcessPoolBuilder<Probe> {
    let builder = probe::builder(workers).worker_program(program("rogue-worker"));
    plan.environment().into_iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}
