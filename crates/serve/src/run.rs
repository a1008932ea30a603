//! One job, from its bytes to the bytes of its outcome.

use std::cell::Cell;

use job::{Job, Stage};
use sys::stage_timer::StageTimer;
use wire::{
    CodecError, CodecKind,
    batch::{OutcomesWriter, Status},
    catch_panic,
};

/// A job as it is at hand.
pub(crate) enum Input<'a, J> {
    Encoded(&'a [u8]),
    /// It has begun ahead of its turn.
    Decoded(J),
}

/// Where a job is when it panics.
#[derive(Clone, Copy)]
enum Step {
    Decoding,
    Running,
    Encoding,
    Done,
}

/// The step that a job is in, and who keeps its time, if anybody does.
struct Steps<'a> {
    step: Cell<Step>,
    lane: Option<&'a StageTimer>,
}

impl Steps<'_> {
    #[inline]
    fn enter(&self, step: Step) {
        self.step.set(step);
        if let Some(lane) = self.lane {
            tell(lane, step);
        }
    }
}

/// Apart from the steps themselves, because it is rarely wanted.
#[cold]
fn tell(lane: &StageTimer, step: Step) {
    match step {
        Step::Decoding => lane.enter(Stage::Decode),
        Step::Running => lane.enter(Stage::Run),
        Step::Encoding => lane.enter(Stage::EncodeOutcome),
        Step::Done => {
            lane.enter(Stage::Work);
            lane.note_sample();
        }
    }
}

/// Runs a job, which may have been decoded already, and writes its outcome; a lane is told of each step. Its panics are caught once for all steps: a guard for
/// each would cost as much as the codec.
#[inline]
pub(crate) fn run_job<J: Job>(
    input: Input<'_, J>,
    codec: CodecKind,
    context: &mut J::Context,
    outcomes: &mut OutcomesWriter,
    lane: Option<&StageTimer>,
) {
    let before = outcomes.bytes();
    let steps = Steps { step: Cell::new(Step::Decoding), lane };
    steps.enter(Step::Decoding);
    let written = catch_panic(|| {
        let job = match input {
            Input::Decoded(job) => job,
            Input::Encoded(payload) => codec.decode_unguarded(payload)?,
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
        // What happens when the output is dropped is no matter of the outcome.
        (Ok(Ok(())), _) | (Err(_), Step::Done) => return,
        (Ok(Err(error)), _) => error,
        (Err(panic), Step::Decoding) => CodecError::panicked("decoding", &panic),
        (Err(panic), Step::Encoding) => {
            outcomes.cut(before);
            CodecError::panicked("encoding", &panic)
        }
        (Err(panic), Step::Running) => {
            // A message of our own making can always be encoded.
            let _ = outcomes.push(codec, Status::Panicked, &panic);
            return steps.enter(Step::Done);
        }
    };
    let _ = outcomes.push(codec, Status::Codec, &error.to_string());
    steps.enter(Step::Done);
}
