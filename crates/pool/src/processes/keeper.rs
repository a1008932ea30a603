//! A worker's life, seen from the parent: one thread from its start to its burial.

use std::{sync::Arc, time::Duration};

use job::{Context, Crash, Death, DeathCause, Failure, FrameId, Job, Outcome, Stage, WorkerId};
use sched::{Event, StartFailure};
use sys::{clock, lane::Lane, memory::has_room};
use wire::{
    Closed, CodecKind, Inbox, Message, Tag, catch_panic,
    frame::{OutcomesView, Status},
    handshake::{Farewell, unpack},
};

use super::{
    block::Slice,
    handle::Handle,
    launch::{LaunchError, launch},
    shared::Shared,
    turn::Turn,
};
use crate::{PoolEvent, WorkerReport};

/// How long a worker that has closed its link may take to end before it is killed. A death that takes its time, as by the
/// kernel's hand on a busy machine, is not ours.
const LAST_BREATH: Duration = Duration::from_millis(400);

type ReportOf<J> = <<J as Job>::Context as Context>::Report;

/// Starts the worker, serves it, and buries it. This thread must live as long as the worker: the system kills the
/// worker when it ends.
pub(crate) fn keep<J: Job>(shared: &Arc<Shared<J>>, handle: &Handle) {
    let attended = shared.ledger.thread(&format!("keeper {}", handle.id), Stage::Start);
    Keeper { shared, handle, lane: attended.lane() }.keep();
}

/// Reports that a worker could not be started.
pub(crate) fn give_up<J: Job>(mut turn: Turn<'_, J>, worker: WorkerId, failure: StartFailure, cause: &str) {
    turn.state.note_cause(cause);
    turn.state.workers.remove(&worker);
    turn.hear(Event::StartFailed { worker, failure });
    turn.end();
}

/// Who sees to one worker.
struct Keeper<'a, J: Job> {
    shared: &'a Arc<Shared<J>>,
    handle: &'a Handle,
    lane: &'a Lane,
}

impl<J: Job> Keeper<'_, J> {
    fn keep(&self) {
        let Keeper { shared, handle, .. } = self;
        let launched = || launch(&shared.recipe, handle, shared.ledger.counts());
        // ipc-channel panics on what no peer of ours sends, but also when the system refuses it something, which may be over
        // soon: the start is tried again.
        match catch_panic(launched).unwrap_or_else(|panic| Err(LaunchError::Panicked(panic))) {
            Ok(mut inbox) => {
                handle.gauge.note_ready();
                handle.set_calm(shared.is_calm());
                let pid = handle.pid().unwrap_or(0);
                shared.audience.hear(|| PoolEvent::Ready { worker: handle.id, pid, at: clock::now() });
                self.tell(Event::Ready(handle.id));
                // ipc-channel panics on what no peer of ours sends.
                while catch_panic(|| self.receive(&mut inbox)).unwrap_or_else(|panic| {
                    handle.expel(&format!(
                        "the worker was killed because its link is spoilt: {}",
                        panic.message
                    ));
                    false
                }) {}
                self.lane.enter(Stage::Leave);
                if let Some(death) = bury(handle) {
                    self.report(death);
                }
            }
            Err(error) => self.give_up(error),
        }
    }

    /// A turn at the lock for what has happened.
    fn turn(&self) -> Turn<'_, J> {
        self.lane.enter(Stage::Schedule);
        Turn::on(self.lane, self.shared)
    }

    fn tell(&self, event: Event) {
        let mut turn = self.turn();
        turn.hear(event);
        turn.end();
    }

    fn give_up(&self, error: LaunchError) {
        let error = match error {
            _ if self.handle.was_killed() => LaunchError::Late,
            LaunchError::Handshake(_) if self.handle.is_starved() => LaunchError::Memory,
            error => error,
        };
        let death = bury(self.handle);
        let end = death.map_or_else(String::new, |death| format!(" ({death})"));
        // One that we have killed ourselves says nothing by that.
        let failure = error.verdict(death.filter(|_| !self.handle.was_killed()));
        let cause = format!("{error}{end}");
        self.shared.audience.hear(|| PoolEvent::StartFailed {
            worker: self.handle.id,
            pid: self.handle.pid(),
            cause: cause.as_str().into(),
            at: clock::now(),
        });
        give_up(self.turn(), self.handle.id, failure, &cause);
    }

    /// Takes the next message; `false` when there will be none, or the worker has to go.
    fn receive(&self, inbox: &mut Inbox) -> bool {
        let handle = self.handle;
        handle.begin_listening();
        self.lane.enter(Stage::Poll);
        inbox.poll(|| self.shared.is_calm());
        self.lane.enter(Stage::Wait);
        let received = inbox.receive(|| Ok(()));
        handle.end_listening();
        let message = match received {
            Ok(message) => message,
            Err(Closed::Gone) => return false,
            Err(error @ Closed::Garbled(_)) => {
                handle.expel(&format!("the worker was killed because {error}"));
                return false;
            }
            Err(error @ Closed::NoMemory { .. }) => {
                // Charged to the job whose outcome it is.
                handle.note_lack_of_memory();
                handle.expel(&format!("the worker was killed because {error}"));
                return false;
            }
        };
        let understood = match message.tag() {
            Some(Tag::PartTaken) => handle.part_taken(),
            Some(Tag::Outcomes) => self.take_outcomes(&message),
            Some(Tag::Control) if handle.is_retired() => self.take_farewell(&message),
            Some(Tag::Control) => self.take_crash(&message),
            _ => false,
        };
        if !understood {
            handle.expel("the worker was killed because it sent what no worker sends");
        }
        understood
    }

    fn take_outcomes(&self, message: &Message) -> bool {
        let handle = self.handle;
        self.lane.enter(Stage::DecodeOutcome);
        let Some(view) = OutcomesView::read(message) else { return false };
        if view.last && !handle.answered() {
            return false;
        }
        let busy = Duration::from_nanos(view.busy_ns);
        let outcomes = u64::from(view.count);
        handle.gauge.note_outcomes(outcomes, message.len() as u64, busy, view.last);
        self.shared.audience.hear(|| PoolEvent::Returned {
            worker: handle.id,
            frame: view.frame,
            outcomes,
            last: view.last,
            began: view.began,
            busy,
            durations: view.durations().map(Iterator::collect),
            bytes: message.len() as u64,
            at: clock::now(),
        });
        let mut turn = self.turn();
        turn.hear(Event::Returned { worker: handle.id, frame: view.frame, outcomes, last: view.last, busy });
        // The next frame goes out before these outcomes are decoded.
        let jobs = turn.end();
        self.deliver(&jobs, view.outcomes());
        true
    }

    /// Notes what the worker has to say as it leaves; it says so once.
    fn take_farewell(&self, message: &Message) -> bool {
        let Ok(farewell) = unpack::<Farewell>(message) else { return false };
        let report = match farewell {
            Farewell::Report(bytes) => {
                self.shared.recipe.codec.decode(&bytes).map_err(|error| error.to_string())
            }
            Farewell::Failed(reason) => Err(reason),
        };
        self.note_report(report)
    }

    /// Notes the end of a process that the worker's job depended on; it reports one at most, and ends.
    fn take_crash(&self, message: &Message) -> bool {
        let Ok(crash) = unpack::<Crash>(message) else { return false };
        self.handle.gauge.note_crash();
        self.handle.crash.set(Arc::new(crash)).is_ok()
    }

    /// Keeps the worker's last words, unless it has had some before.
    fn note_report(&self, report: Result<ReportOf<J>, String>) -> bool {
        let first = !self.handle.has_reported();
        if first {
            let report = report.map_err(Arc::from);
            self.shared.state.lock().reports.push(WorkerReport { worker: self.handle.id, report });
        }
        first
    }

    fn report(&self, death: Death) {
        let (handle, worker) = (self.handle, self.handle.id);
        let crash = handle.crash.get();
        let death = crash.map_or(death, |crash| crash.death);
        if handle.is_retired() {
            self.note_report(Err(format!("it left without a word: {death}")));
        }
        let cause = handle.expelled_for().map_or_else(|| death.to_string(), |why| format!("{why} ({death})"));
        self.shared.audience.hear(|| self.gone(death, &cause));
        let mut turn = self.turn();
        let running = turn.state.running(worker).map(|(frame, index, _)| (frame, index));
        let salvage = turn.state.kept(worker).and_then(Salvage::new);
        turn.state.workers.remove(&worker);
        turn.state.note_cause(&cause);
        let memory = turn.state.ran_out_of_memory(handle, death);
        let kept = salvage.as_ref().map(|salvage| (salvage.frame, salvage.count));
        turn.state.crash = crash.cloned();
        turn.hear(Event::Died { worker, running, kept, death, memory });
        turn.state.crash = None;
        let jobs = turn.end();
        if let Some(salvage) = salvage
            && let Some(view) = OutcomesView::of_kept(salvage.frame, &salvage.bytes)
        {
            self.deliver(&jobs, view.outcomes().skip(salvage.skip));
        }
    }

    /// What there is to say about the worker's end. Takes the lock, and lets it go.
    fn gone(&self, death: Death, cause: &str) -> PoolEvent {
        let worker = self.handle.id;
        let state = self.shared.state.lock();
        let running = state.running(worker).map(|(frame, index, _)| (frame, index));
        let kept = state.kept(worker);
        drop(state);
        let kept = kept.and_then(Salvage::new).map(|salvage| (salvage.frame, salvage.count));
        let in_order = self.handle.is_retired() && death.cause == DeathCause::Exited(0);
        let (left, at) = (in_order && !self.handle.was_killed(), clock::now());
        PoolEvent::Gone { worker, death, left, cause: cause.into(), running, kept, at }
    }

    fn deliver<'a>(&self, jobs: &[Slice<J>], mut outcomes: impl Iterator<Item = (Option<Status>, &'a [u8])>) {
        let codec = self.shared.recipe.codec;
        for slice in jobs {
            self.lane.enter(Stage::DecodeOutcome);
            let decoded = outcomes.by_ref().map(|(status, payload)| decode::<J>(status, payload, codec));
            slice.resolve(decoded, Some(self.lane));
        }
    }
}

/// Outcomes of up to this many bytes are decoded without asking for room.
const SHORT_OUTCOME: usize = 1 << 20;

/// Room for a decoded outcome, and for what a sink makes of it, as a multiple of its bytes.
const DECODED: usize = 4;

fn decode<J: Job>(status: Option<Status>, payload: &[u8], codec: CodecKind) -> Outcome<J> {
    let bytes = payload.len();
    // The allocations of a type's own deserializer end the process when they fail.
    if bytes > SHORT_OUTCOME && !has_room(bytes.saturating_mul(DECODED)) {
        return Err(Failure::Codec(format!("there is no memory for an outcome of {bytes} bytes")));
    }
    let decoded = match status {
        Some(Status::Done) => {
            return codec.decode(payload).map_err(|error| Failure::Codec(error.to_string()));
        }
        Some(Status::Failed) => codec.decode(payload).map(Failure::Failed),
        Some(Status::Panicked) => codec.decode(payload).map(Failure::Panicked),
        Some(Status::Codec) => codec.decode(payload).map(Failure::Codec),
        None => Ok(Failure::Codec("the worker sent an outcome of unknown kind".into())),
    };
    Err(decoded.unwrap_or_else(|error| Failure::Codec(error.to_string())))
}

/// Waits for the end of the process, brings it about if it does not come, and reaps; `None` if there was none.
fn bury(handle: &Handle) -> Option<Death> {
    handle.disconnect();
    let process = handle.process.get()?;
    if !process.wait_for_end(Some(LAST_BREATH)) {
        handle.kill();
    }
    handle.note_processor_time();
    let death = process.reap();
    handle.gauge.note_end();
    death
}

/// Outcomes that a worker had finished and not sent when it died.
struct Salvage {
    frame: FrameId,
    /// How many of them have come back all the same: it died between sending and forgetting them.
    skip: usize,
    /// How many have not.
    count: u64,
    bytes: Vec<u8>,
}

impl Salvage {
    fn new((frame, skip, bytes): (FrameId, u64, Vec<u8>)) -> Option<Salvage> {
        let kept = u64::from(OutcomesView::of_kept(frame, &bytes)?.count);
        let count = kept.checked_sub(skip).filter(|&count| count > 0)?;
        Some(Salvage { frame, skip: usize::try_from(skip).ok()?, count, bytes })
    }
}
