//! Handling of a worker's messages.

use std::{sync::Arc, time::Duration};

use job::{Context, Crash, Job, JobError, MonotonicInstant, Outcome, Stage};
use sched::Event;
use sys::{clock, memory::can_allocate, stage_timer::StageTimer};
use wire::{
    Closed, CodecError, CodecKind, Message, Tag,
    batch::{OutcomesView, Status},
    catch_panic,
    handshake::{FinalReport, unpack},
    requested_descriptor,
    transfer::{InvalidList, ReceivedFiles, with_received},
};

use super::{
    block::Slice, handle::Handle, shared::ProcessShared, time_accounting::CallerTimes,
    transaction::Transaction,
};
use crate::{PoolEvent, Resolved, WorkerReport};

pub(super) type ReportOf<J> = <<J as Job>::Context as Context>::Report;

/// Account that handling a message is charged to.
pub(super) enum TimeAccount<'a> {
    /// Stage timer of a thread of the pool.
    Thread(&'a StageTimer),
    /// Common account of the threads of the program.
    Caller(CallerTime<'a>),
}

/// Stage of a thread of the program, and its begin.
pub(super) struct CallerTime<'a> {
    callers: &'a CallerTimes,
    stage: std::cell::Cell<(Stage, MonotonicInstant)>,
}

impl<'a> CallerTime<'a> {
    /// Records that a thread of the program enters the pool. It leaves when this is dropped.
    pub(super) fn begin(callers: &'a CallerTimes, stage: Stage) -> CallerTime<'a> {
        CallerTime { callers, stage: (stage, callers.now()).into() }
    }
}

impl TimeAccount<'_> {
    pub(super) fn enter(&self, stage: Stage) {
        match self {
            TimeAccount::Thread(timer) => timer.enter(stage),
            TimeAccount::Caller(time) => time.enter(stage),
        }
    }

    /// Begins a transaction that is charged to this account.
    pub(super) fn begin_transaction<'t, J: Job>(
        &'t self,
        shared: &'t Arc<ProcessShared<J>>,
    ) -> Transaction<'t, J> {
        match self {
            TimeAccount::Thread(timer) => {
                timer.enter(Stage::Schedule);
                Transaction::begin_timed(timer, shared)
            }
            TimeAccount::Caller(time) => {
                // The transaction counts its own time.
                time.enter(Stage::Schedule);
                Transaction::begin(shared)
            }
        }
    }
}

impl CallerTime<'_> {
    fn enter(&self, stage: Stage) {
        let now = self.callers.now();
        let (before, since) = self.stage.replace((stage, now));
        self.callers.add(before, now.since(since));
    }
}

impl Drop for CallerTime<'_> {
    fn drop(&mut self) {
        self.enter(Stage::Wait);
    }
}

/// Handler of one worker's messages, one after another. The thread that uses it holds the lock of the
/// worker's [mailbox](super::mailbox::Mailbox).
pub(super) struct Incoming<'a, J: Job> {
    pub(super) shared: &'a Arc<ProcessShared<J>>,
    pub(super) handle: &'a Handle,
    pub(super) time: &'a TimeAccount<'a>,
}

/// Reason why the files of outcomes cannot be taken.
enum NoFiles {
    /// The worker died before: its jobs are run again.
    Died,
    /// The list of files violates the protocol.
    Invalid,
}

impl<J: Job> Incoming<'_, J> {
    /// Handles a message, or kills the worker if receiving it failed; returns whether more will come.
    pub(super) fn handle_received(&self, received: Result<Message, Closed>) -> bool {
        self.handle.note_message();
        self.shared.supervisor.note_progress();
        match received {
            Ok(message) => self.handle_message(&message),
            Err(Closed::Gone) => false,
            Err(error) => {
                self.kill_for_link_error(error);
                false
            }
        }
    }

    fn handle_message(&self, message: &Message) -> bool {
        let handle = self.handle;
        let is_valid = match message.tag() {
            Some(Tag::PartReceived) => handle.part_received(),
            Some(Tag::FileRequest) => {
                requested_descriptor(message).is_some_and(|file| handle.answer_file_request(file))
            }
            Some(Tag::Outcomes) => match OutcomesView::read(message) {
                Some(view) => match self.take_files(&view) {
                    Ok(files) => self.handle_outcomes(&view, message.len() as u64, &files),
                    Err(NoFiles::Died) => return false,
                    Err(NoFiles::Invalid) => false,
                },
                None => false,
            },
            Some(Tag::Control) if handle.is_retired() => self.handle_final_report(message),
            Some(Tag::Control) => self.handle_crash(message),
            None | Some(Tag::Jobs) => false,
        };
        if !is_valid {
            handle.kill_for_protocol_error("protocol violation");
        }
        is_valid
    }

    /// Kills a worker whose link is broken.
    fn kill_for_link_error(&self, error: Closed) {
        if matches!(error, Closed::NoMemory { .. }) {
            // Charged to the job whose outcome it is.
            self.handle.note_alloc_failure();
        }
        self.handle.kill_for_protocol_error(error);
    }

    /// Opens the files that outcomes refer to, and informs the worker, which waits for it. If a file cannot
    /// be opened for another reason than the death of the worker, the jobs whose outcomes refer to it or to
    /// those after it fail.
    fn take_files(&self, view: &OutcomesView<'_>) -> Result<ReceivedFiles, NoFiles> {
        let handle = self.handle;
        let (Some(files), Some(pid)) = (view.files(), handle.pid()) else {
            return Ok(ReceivedFiles::default());
        };
        let received = ReceivedFiles::open(pid, files).map_err(|InvalidList| NoFiles::Invalid)?;
        if received.has_errors() && (handle.was_killed() || handle.is_dying()) {
            return Err(NoFiles::Died);
        }
        if let Some(page) = handle.page.get() {
            page.note_files_taken();
        }
        Ok(received)
    }

    fn handle_outcomes(&self, view: &OutcomesView<'_>, bytes: u64, files: &ReceivedFiles) -> bool {
        let handle = self.handle;
        self.time.enter(Stage::DecodeOutcome);
        if view.last && !handle.answered() {
            return false;
        }
        let busy = Duration::from_nanos(view.busy_ns);
        let outcomes = u64::from(view.count);
        handle.metrics.note_outcomes(outcomes, bytes, busy, view.last);
        self.shared.observers.notify(|| PoolEvent::OutcomesReceived {
            worker: handle.id,
            batch: view.batch,
            outcomes,
            last: view.last,
            started: view.began,
            busy,
            durations: view.durations().map(Iterator::collect),
            bytes,
            at: clock::now(),
        });
        let mut transaction = self.time.begin_transaction(self.shared);
        let collected = transaction.state.sched.collected(handle.id, view.batch);
        transaction.apply(Event::Returned {
            worker: handle.id,
            batch: view.batch,
            outcomes,
            last: view.last,
            busy,
        });
        // The next batch is sent before these outcomes are decoded.
        let jobs = transaction.commit();
        let mut outcomes = view.outcomes();
        // Not `skip`, which costs every outcome a comparison.
        for _ in 0..collected {
            outcomes.next();
        }
        self.deliver(&jobs, outcomes, files);
        true
    }

    /// Stores the final report of a worker that exits; returns `false` for a second one or an invalid
    /// message.
    fn handle_final_report(&self, message: &Message) -> bool {
        let Ok(report_message) = unpack::<FinalReport>(message) else { return false };
        let report = match report_message {
            FinalReport::Report(bytes) => {
                self.shared.spawn_config.codec.decode(&bytes).map_err(|error| error.to_string())
            }
            FinalReport::Failed(reason) => Err(reason),
        };
        self.note_report(report)
    }

    /// Stores the crash of a process that the worker's job depended on. The worker reports at most one and
    /// then exits.
    fn handle_crash(&self, message: &Message) -> bool {
        let Ok(crash) = unpack::<Crash>(message) else { return false };
        self.handle.metrics.note_crash();
        self.handle.crash.set(Arc::new(crash)).is_ok()
    }

    /// Stores the worker's final report; returns `false` if it has sent one before.
    pub(super) fn note_report(&self, report: Result<ReportOf<J>, String>) -> bool {
        let first = !self.handle.mark_reported();
        if first {
            let report = report.map_err(Arc::from);
            self.shared.state.lock().reports.push(WorkerReport { worker: self.handle.id, report });
        }
        first
    }

    /// Decodes outcomes, which may refer to `files`, and passes them to their targets.
    pub(super) fn deliver<'a>(
        &self,
        jobs: &[Slice<J>],
        mut outcomes: impl Iterator<Item = (Option<Status>, &'a [u8])>,
        files: &ReceivedFiles,
    ) {
        let codec = self.shared.spawn_config.codec;
        for slice in jobs {
            self.time.enter(Stage::DecodeOutcome);
            let (resolved, failed) = with_received(files, || decode_all(codec, slice.tags(), &mut outcomes));
            self.time.enter(Stage::Merge);
            self.shared.outcome_counts.add(resolved.len() - failed, failed);
            slice.resolve(resolved);
        }
    }
}

/// Decodes an outcome for each tag, or for the first ones if there are fewer outcomes. Returns them and the
/// number of failures among them. Panics of a type's own
/// deserializer are caught once for many outcomes, and each outcome is written directly to its final place:
/// guarding or moving one takes longer than decoding a short one.
fn decode_all<'a, J: Job>(
    codec: CodecKind,
    tags: &[u64],
    outcomes: &mut impl Iterator<Item = (Option<Status>, &'a [u8])>,
) -> (Vec<Resolved<J>>, usize) {
    let (mut resolved, mut failed) = (Vec::with_capacity(tags.len()), 0);
    loop {
        let decoded = catch_panic(|| {
            for &tag in &tags[resolved.len()..] {
                let Some((status, payload)) = outcomes.next() else { return };
                match decode_output::<J>(status, payload, codec) {
                    Ok(output) => resolved.push(Resolved { tag, outcome: Ok(output) }),
                    Err(NeedsFullDecode) => {
                        let outcome = decode::<J>(status, payload, codec);
                        failed += usize::from(outcome.is_err());
                        resolved.push(Resolved { tag, outcome });
                    }
                }
            }
        });
        match (decoded, tags.get(resolved.len())) {
            (Err(panic), Some(&tag)) => {
                let error = CodecError::panicked("decoding", &panic);
                failed += 1;
                resolved.push(Resolved { tag, outcome: Err(JobError::Codec(error.to_string().into())) });
            }
            _ => return (resolved, failed),
        }
    }
}

/// The outcome has to be decoded by [`decode`]: it is not an output, is large, or is invalid.
struct NeedsFullDecode;

#[inline]
fn decode_output<J: Job>(
    status: Option<Status>,
    payload: &[u8],
    codec: CodecKind,
) -> Result<J::Output, NeedsFullDecode> {
    match status {
        Some(Status::Done) if payload.len() <= SMALL_OUTCOME => {
            codec.decode_unguarded(payload).map_err(|_| NeedsFullDecode)
        }
        _ => Err(NeedsFullDecode),
    }
}

/// Size in bytes up to which outcomes are decoded without a check for free memory.
const SMALL_OUTCOME: usize = 1 << 20;

/// Memory needed for a decoded outcome and for what a sink makes of it, as a multiple of its encoded size.
const DECODED_SIZE_FACTOR: usize = 4;

#[cold]
fn decode<J: Job>(status: Option<Status>, payload: &[u8], codec: CodecKind) -> Outcome<J> {
    let bytes = payload.len();
    // A failed allocation in a type's own deserializer aborts the process.
    if bytes > SMALL_OUTCOME && !can_allocate(bytes.saturating_mul(DECODED_SIZE_FACTOR)) {
        let message = format!("not enough memory to decode an outcome of {bytes} bytes");
        return Err(JobError::Codec(message.into()));
    }
    let decoded = match status {
        Some(Status::Done) => {
            return codec.decode(payload).map_err(|error| JobError::Codec(error.to_string().into()));
        }
        Some(Status::Failed) => codec.decode(payload).map(JobError::Failed),
        Some(Status::Panicked) => codec.decode(payload).map(JobError::Panicked),
        Some(Status::Codec) => codec.decode(payload).map(JobError::Codec),
        None => Ok(JobError::Codec("the worker sent an outcome of unknown kind".into())),
    };
    Err(decoded.unwrap_or_else(|error| JobError::Codec(error.to_string().into())))
}
