//! The stages of the pipeline from the caller to a worker and back.

/// Activity on which a process or thread of a pool spends time: one of the ten steps of the pipeline, or
/// something in between.
///
/// The steps are those by which Python's `ProcessPoolExecutor` is usually explained. Each of them is
/// implemented in exactly one place.
///
/// ```
/// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
/// use pool::metrics::Stage;
///
/// assert!(Stage::Encode < Stage::Run, "stages are in pipeline order");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The parent reads an item of the input.
    Read,
    /// The parent encodes the job.
    Encode,
    /// The parent sends the batch.
    Send,
    /// The worker decodes the job.
    Decode,
    /// The worker creates its state; once per worker.
    Load,
    /// The job runs.
    Run,
    /// The worker encodes the outcome.
    EncodeOutcome,
    /// The worker sends the outcomes back.
    Return,
    /// The parent decodes the outcome.
    DecodeOutcome,
    /// The parent delivers the outcome, in order where that was requested.
    Merge,
    /// The job waits for a worker, or its outcome for the parent.
    Queue,
    /// A worker decodes, runs or encodes; used where these are not measured separately.
    Work,
    /// A worker process starts, until it is ready.
    Start,
    /// The parent makes scheduling decisions.
    Schedule,
    /// The process or thread is idle and sleeps.
    Wait,
    /// The process or thread is idle and polls for a short time before it sleeps.
    Poll,
    /// The worker is exiting, or has died and is not reaped yet.
    Exit,
}

impl Stage {
    /// Number of stages.
    pub const COUNT: usize = Stage::ALL.len();

    /// The ten steps of the pipeline, in the order in which a job passes them.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::Stage;
    ///
    /// assert_eq!((Stage::STEPS[0], Stage::STEPS[9]), (Stage::Read, Stage::Merge));
    /// ```
    pub const STEPS: [Stage; 10] = match Stage::ALL.first_chunk() {
        Some(steps) => *steps,
        None => unreachable!(),
    };

    /// All stages, in ascending order.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::Stage;
    ///
    /// assert!(Stage::ALL.is_sorted());
    /// assert!(Stage::ALL.starts_with(&Stage::STEPS));
    /// ```
    pub const ALL: [Stage; 17] = [
        Stage::Read,
        Stage::Encode,
        Stage::Send,
        Stage::Decode,
        Stage::Load,
        Stage::Run,
        Stage::EncodeOutcome,
        Stage::Return,
        Stage::DecodeOutcome,
        Stage::Merge,
        Stage::Queue,
        Stage::Work,
        Stage::Start,
        Stage::Schedule,
        Stage::Wait,
        Stage::Poll,
        Stage::Exit,
    ];

    /// Returns the name of the stage, in lower case.
    ///
    /// ```
    /// # mod pool { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/pool.rs")); }
    /// use pool::metrics::Stage;
    ///
    /// assert_eq!(Stage::EncodeOutcome.name(), "encode outcome");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Read => "take",
            Stage::Encode => "encode",
            Stage::Send => "send",
            Stage::Decode => "decode",
            Stage::Load => "load",
            Stage::Run => "run",
            Stage::EncodeOutcome => "encode outcome",
            Stage::Return => "return",
            Stage::DecodeOutcome => "decode outcome",
            Stage::Merge => "merge",
            Stage::Queue => "queue",
            Stage::Work => "work",
            Stage::Start => "start",
            Stage::Schedule => "schedule",
            Stage::Wait => "wait",
            Stage::Poll => "poll",
            Stage::Exit => "leave",
        }
    }
}
