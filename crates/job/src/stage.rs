//! The stages of a job's way from the caller to a worker and back, and what those who see to it do in between.

/// What a process of a pool, or a thread of one, spends its time on: one of the ten steps of the pipeline, or something
/// between them.
///
/// The steps are those that the documentation of Python's `ProcessPoolExecutor` is usually explained by; each
/// has exactly one place in the code.
///
/// ```
/// use job::Stage;
///
/// assert!(Stage::Encode < Stage::Run, "stages are ordered as a job passes them");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The parent takes an item of the input.
    Take,
    /// The parent encodes it.
    Encode,
    /// The parent sends it.
    Send,
    /// The worker decodes it.
    Decode,
    /// The worker's state is made; once per worker.
    Load,
    /// The job runs.
    Run,
    /// The worker encodes the outcome.
    EncodeOutcome,
    /// The worker sends it back.
    Return,
    /// The parent decodes it.
    DecodeOutcome,
    /// The parent hands it to whoever waits for it, in its place.
    Merge,
    /// Nobody works on a job: it waits for a worker, or its outcome for the parent.
    Queue,
    /// A worker decodes, runs and encodes, and nobody looks which.
    Work,
    /// A process is started, up to its readiness.
    Start,
    /// The parent decides who does what.
    Schedule,
    /// There is nothing to do, and it sleeps.
    Wait,
    /// There is nothing to do, and it looks for news for a moment before it sleeps.
    Poll,
    /// It has been told to leave, or is dead and not buried.
    Leave,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = Stage::ALL.len();

    /// The ten steps of the pipeline, in the order in which a job passes them.
    ///
    /// ```
    /// use job::Stage;
    ///
    /// assert_eq!((Stage::STEPS[0], Stage::STEPS[9]), (Stage::Take, Stage::Merge));
    /// ```
    pub const STEPS: [Stage; 10] = match Stage::ALL.first_chunk() {
        Some(steps) => *steps,
        None => unreachable!(),
    };

    /// All stages, in their order.
    ///
    /// ```
    /// use job::Stage;
    ///
    /// assert!(Stage::ALL.is_sorted());
    /// assert!(Stage::ALL.starts_with(&Stage::STEPS));
    /// ```
    pub const ALL: [Stage; 17] = [
        Stage::Take,
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
        Stage::Leave,
    ];

    /// Its name, in lower case.
    ///
    /// ```
    /// use job::Stage;
    ///
    /// assert_eq!(Stage::EncodeOutcome.name(), "encode outcome");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Take => "take",
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
            Stage::Leave => "leave",
        }
    }
}
