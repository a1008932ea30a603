//! Execution of one job, from its encoded bytes to its encoded outcome.

use std::cell::Cell;

use job::{Job, Stage};
use sys::stage_timer::StageTimer;
use wire::{
    CodecError, CodecKind,
    batch::{OutcomesWriter, Status},
    catch_panic,
    transfer::open_referenced,
};

/// A job to be run.
pub(crate) enum Input<'a, J> {
    Encoded(&'a [u8]),
    /// Decoded when it began ahead of its turn.
    Decoded(J),
}

/// Step of a job, which decides how a panic is reported.
#[derive(Clone, Copy)]
enum Step {
    Decoding,
    Running,
    Encoding,
    Done,
}

/// The current step of a job, and the timer of the steps if the job is sampled.
struct Steps<'a> {
    step: Cell<Step>,
    timer: Option<&'a StageTimer>,
}

impl Steps<'_> {
    #[inline]
    fn enter(&self, step: Step) {
        self.step.set(step);
        if let Some(timer) = self.timer {
            enter_stage(timer, step);
        }
    }
}

/// Separate and cold, because few jobs are sampled.
#[cold]
fn enter_stage(timer: &StageTimer, step: Step) {
    match step {
        Step::Decoding => timer.enter(Stage::Decode),
        Step::Running => timer.enter(Stage::Run),
        Step::Encoding => timer.enter(Stage::EncodeOutcome),
        Step::Done => {
            timer.enter(Stage::Work);
            timer.note_sample();
        }
    }
}

/// Runs a job, which may have been decoded already, and writes its outcome. Enters each step in `timer`, if
/// there is one. Panics are caught once for all steps: a `catch_unwind` for each would cost as much as the
/// codec.
#[inline]
pub(crate) fn run_job<J: Job>(
    input: Input<'_, J>,
    codec: CodecKind,
    context: &mut J::Context,
    outcomes: &mut OutcomesWriter,
    timer: Option<&StageTimer>,
) {
    let before = outcomes.bytes();
    let steps = Steps { step: Cell::new(Step::Decoding), timer };
    steps.enter(Step::Decoding);
    let written = catch_panic(|| {
        let job = match input {
            Input::Decoded(job) => job,
            Input::Encoded(payload) => open_referenced(|| codec.decode_unguarded(payload))?,
        };
        steps.enter(Step::Running);
        let result = job.run(context);
        steps.enter(Step::Encoding);
        let written = match &result {
            Ok(output) => outcomes.push_unguarded(codec, Status::Done, output),
            Err(error) => outcomes.push_unguarded(codec, Status::Failed, error),
        };
        steps.enter(Step::Done);
        written
    });
    let error = match (written, steps.step.get()) {
        // A panic while the output is dropped does not change the outcome.
        (Ok(Ok(())), _) | (Err(_), Step::Done) => return,
        (Ok(Err(error)), _) => error,
        (Err(panic), Step::Decoding) => CodecError::panicked("decoding", &panic),
        (Err(panic), Step::Encoding) => {
            outcomes.truncate(before);
            CodecError::panicked("encoding", &panic)
        }
        (Err(panic), Step::Running) => {
            // A panic message can always be encoded.
            let _ = outcomes.push(codec, Status::Panicked, &panic);
            return steps.enter(Step::Done);
        }
    };
    let _ = outcomes.push(codec, Status::Codec, &error.to_string());
    steps.enter(Step::Done);
}
