//! The stages of a job's way from the caller to a worker and back.

/// One of the ten steps of a process pool's pipeline, or the waiting between them.
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
    /// The worker's code is loaded and its state made; once per worker.
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
    /// Nobody works on it: it waits for a worker, or its outcome for the parent.
    Queue,
}

impl Stage {
    /// All stages, in the order in which a job passes them; waiting comes last.
    ///
    /// ```
    /// use job::Stage;
    ///
    /// let steps = Stage::ALL.iter().filter(|stage| **stage != Stage::Queue);
    /// assert_eq!(steps.count(), 10);
    /// ```
    pub const ALL: [Stage; 11] = [
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
    ];
}
