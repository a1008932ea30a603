//! A worker that speaks the real protocol, and speaks it wrongly.
//!
//! How it goes wrong is said by variables of its environment: see [`Wrong`], [`Plan`] and [`rogues`].

mod spoil;
mod worker;

use std::{env, fs::File, io::Write, path::PathBuf};

use pool::ProcessPoolBuilder;

use crate::{
    probe::{self, Probe},
    program,
};

pub use worker::main;

const WRONG: &str = "ROGUE_WRONG";
const GOOD_BATCHES: &str = "ROGUE_GOOD_BATCHES";
const PUBLISHES: &str = "ROGUE_PUBLISHES";
const ONCE: &str = "ROGUE_ONCE";
const SEED: &str = "ROGUE_SEED";

/// What a worker does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is gone before it meets its parent.
    ExitsAtOnce,
    /// It lives, and never comes to the meeting place.
    StaysAway,
    /// It comes to the meeting place with something else than the ends of a link, and goes.
    Knocks,
    /// The same, and it stays.
    KnocksAndStays,
    /// It rings, and never comes to the meeting place.
    RingsOnly,
    /// It connects to the meeting place, rings, and sends nothing.
    ConnectsAndStays,
    /// It comes, and never says its name.
    SaysNothing,
    /// It comes and goes without a word.
    LeavesAtOnce,
    /// It speaks another version of the protocol.
    OtherVersion,
    /// It serves another type of job.
    OtherJobs,
    /// Its first word is none.
    GarbageHello,
    /// Its first packet claims a size that ipc-channel cannot cope with.
    SpoiltHello,
    /// It is gone as soon as it has said its name.
    DiesInHandshake,
    /// It acknowledges a part of a welcome that had none.
    EarlyReceipt,
    /// It never says that it is ready.
    NeverReady,

    /// It dies with a batch.
    Dies,
    /// It never answers.
    NeverAnswers,
    /// It closes its link and lives.
    Disconnects,
    /// Its answer is a batch of nonsense.
    GarbageOutcomes,
    /// Its answer is no message.
    GarbagePacket,
    /// Its answer is a message without a tag that anybody knows.
    UnknownTag,
    /// It sends a batch of jobs.
    SendsJobs,
    /// Its answer is a packet that is larger than any packet may be.
    LargePacket,
    /// Its answer is a packet so large that it comes through a second socket.
    HugePacket,
    /// It stops in the middle of a large answer, and lives.
    HalfThenSilence,
    /// It dies in the middle of a large answer.
    HalfThenDeath,
    /// It begins an answer within an answer.
    Nested,
    /// It answers twice.
    AnswersTwice,
    /// It answers a batch that it was not given.
    ForeignBatch,
    /// It has an outcome too many.
    TooMany,
    /// It has an outcome too few.
    TooFew,
    /// It acknowledges a part that nobody sent.
    UnaskedReceipt,
    /// It says farewell although nobody told it to leave.
    UnaskedFarewell,

    /// It sends outcomes of a kind that nobody knows: no reason to end it.
    UnknownStatus,
    /// It sends outcomes that cannot be decoded: no reason to end it.
    Undecodable,
    /// It claims to have been busy for centuries: no reason to end it.
    AbsurdBusy,
    /// It does not heed SIGTERM, and does not leave when it is told to.
    NeverLeaves,
    /// It overwrites all shared memory that it can write to with random values, and answers as it should meanwhile.
    SpoilsMemory,
}

use Wrong::{
    AbsurdBusy, AnswersTwice, ConnectsAndStays, Dies, DiesInHandshake, Disconnects, EarlyReceipt,
    ExitsAtOnce, ForeignBatch, GarbageHello, GarbageOutcomes, GarbagePacket, HalfThenDeath, HalfThenSilence,
    HugePacket, Knocks, KnocksAndStays, LargePacket, LeavesAtOnce, Nested, NeverAnswers, NeverLeaves,
    NeverReady, OtherJobs, OtherVersion, RingsOnly, SaysNothing, SendsJobs, SpoilsMemory, SpoiltHello,
    StaysAway, TooFew, TooMany, UnaskedFarewell, UnaskedReceipt, Undecodable, UnknownStatus, UnknownTag,
};

/// What keeps a worker from being ready, and is noticed as soon as it happens.
pub const AT_THE_START: [Wrong; 10] = [
    ExitsAtOnce,
    Knocks,
    RingsOnly,
    LeavesAtOnce,
    OtherVersion,
    OtherJobs,
    GarbageHello,
    SpoiltHello,
    DiesInHandshake,
    EarlyReceipt,
];

/// What keeps a worker from being ready, for ever.
pub const LATE: [Wrong; 5] = [StaysAway, KnocksAndStays, ConnectsAndStays, SaysNothing, NeverReady];

/// What a worker that has a batch does, and is ended for.
pub const WITH_A_BATCH: [Wrong; 16] = [
    Dies,
    Disconnects,
    GarbageOutcomes,
    GarbagePacket,
    UnknownTag,
    SendsJobs,
    LargePacket,
    HugePacket,
    HalfThenDeath,
    Nested,
    AnswersTwice,
    ForeignBatch,
    TooMany,
    TooFew,
    UnaskedReceipt,
    UnaskedFarewell,
];

const OTHERS: [Wrong; 7] =
    [NeverAnswers, HalfThenSilence, UnknownStatus, Undecodable, AbsurdBusy, NeverLeaves, SpoilsMemory];

/// How and when a worker goes wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it does wrong.
    pub wrong: Wrong,
    /// How many batches it answers as it should before that.
    pub good_batches: u64,
    /// Whether it says which job it is in when it goes wrong.
    pub publishes: bool,
    /// If there is a file: only who can create it goes wrong. It holds the number of its process.
    pub once: Option<PathBuf>,
    /// Of the random values.
    pub seed: u64,
}

impl Plan {
    /// A worker that goes wrong always and at the first opportunity, and does not say in which job.
    #[must_use]
    pub fn new(wrong: Wrong) -> Plan {
        Plan { wrong, good_batches: 0, publishes: false, once: None, seed: 0 }
    }

    /// The variables that tell a worker of it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (WRONG, format!("{:?}", self.wrong)),
            (GOOD_BATCHES, self.good_batches.to_string()),
            (SEED, self.seed.to_string()),
        ];
        variables.extend(self.publishes.then(|| (PUBLISHES, "1".to_owned())));
        variables.extend(self.once.as_ref().map(|file| (ONCE, file.display().to_string())));
        variables
    }

    fn of_this_process() -> Plan {
        let wrong = env::var(WRONG).expect("what to do wrong");
        let all = [&AT_THE_START[..], &LATE, &WITH_A_BATCH, &OTHERS].concat();
        Plan {
            wrong: *all.iter().find(|one| format!("{one:?}") == wrong).expect("a known wrong"),
            good_batches: env::var(GOOD_BATCHES).map_or(0, |number| number.parse().expect("a number")),
            publishes: env::var_os(PUBLISHES).is_some(),
            once: env::var_os(ONCE).map(PathBuf::from),
            seed: env::var(SEED).map_or(0, |number| number.parse().expect("a number")),
        }
    }

    /// Whether it is this worker's turn to go wrong.
    fn applies(&self) -> bool {
        self.once.as_ref().is_none_or(|file| {
            let created = File::create_new(file);
            created.is_ok_and(|mut file| write!(file, "{}", std::process::id()).is_ok())
        })
    }
}

/// A pool to be, whose workers go wrong by a plan.
pub fn rogues(workers: usize, plan: &Plan) -> ProcessPoolBuilder<Probe> {
    let builder = probe::builder(workers).worker_program(program("rogue-worker"));
    plan.environment().into_iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}
