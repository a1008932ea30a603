//! A worker's life, seen from the parent: one thread from its start to its burial.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use job::{Death, DeathCause, FrameId, Job, Stage, WorkerId};
use sched::{Event, StartFailure};
use sys::{clock, doorbell::Woken, lane::Lane};
use wire::{POLL, Transport, catch_panic, frame::OutcomesView};

use super::{
    handle::Handle,
    incoming::{Incoming, Time},
    launch::{LaunchError, launch},
    mailbox::Mailbox,
    shared::Shared,
    turn::Turn,
};
use crate::PoolEvent;

/// How long a worker that has closed its link may take to end before it is killed. A death that takes its time, as by the
/// kernel's hand on a busy machine, is not ours.
const LAST_BREATH: Duration = Duration::from_millis(400);

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
            Ok(inbox) => {
                let mailbox = handle.mailbox.get_or_init(|| Mailbox::new(inbox));
                handle.gauge.note_ready();
                handle.set_calm(shared.is_calm());
                let pid = handle.pid().unwrap_or(0);
                shared.audience.hear(|| PoolEvent::Ready { worker: handle.id, pid, at: clock::now() });
                self.tell(Event::Ready(handle.id));
                // ipc-channel panics on what no peer of ours sends.
                while catch_panic(|| self.receive(mailbox)).unwrap_or_else(|panic| {
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

    /// Takes messages until there is none for a while, and waits for the next; `false` when there will be none, or the worker
    /// has to go.
    fn receive(&self, mailbox: &Mailbox) -> bool {
        match self.shared.recipe.transport {
            Transport::Rings => self.receive_from_ring(mailbox),
            Transport::Channel => self.receive_from_channel(mailbox),
        }
    }

    fn receive_from_channel(&self, mailbox: &Mailbox) -> bool {
        let mut inbox = mailbox.lock();
        self.handle.begin_listening();
        self.lane.enter(Stage::Poll);
        inbox.poll(|| self.shared.is_calm());
        self.lane.enter(Stage::Wait);
        let received = inbox.receive(|| Ok(()));
        self.handle.end_listening();
        self.incoming().take(received)
    }

    fn receive_from_ring(&self, mailbox: &Mailbox) -> bool {
        let mut until = Instant::now();
        loop {
            let mut inbox = mailbox.lock();
            if mailbox.is_over() {
                return false;
            }
            if let Some(received) = inbox.try_message().transpose() {
                self.handle.note_heard();
                if !self.incoming().take(received) {
                    mailbox.end();
                    return false;
                }
                until = Instant::now() + POLL;
                continue;
            }
            let has_helpers = mailbox.has_helpers();
            if !has_helpers && self.shared.is_calm() && Instant::now() < until {
                drop(inbox);
                self.lane.enter(Stage::Poll);
                thread::yield_now();
                continue;
            }
            if !has_helpers && inbox.ask_for_ring(true) {
                continue;
            }
            drop(inbox);
            if has_helpers && !mailbox.has_helpers() {
                // The last of them may have left the worker unasked.
                continue;
            }
            if self.wait_for_ring() == Woken::Ended {
                return self.take_rest(mailbox);
            }
        }
    }

    fn wait_for_ring(&self) -> Woken {
        self.lane.enter(Stage::Wait);
        self.handle.begin_listening();
        let woken = self.handle.page.get().map_or(Woken::Ended, |page| page.door().wait());
        self.handle.end_listening();
        woken
    }

    /// Takes what a worker that is gone has sent before; `false`, since there will be no more.
    fn take_rest(&self, mailbox: &Mailbox) -> bool {
        let mut inbox = mailbox.lock();
        while !mailbox.is_over()
            && let Some(received) = inbox.try_message().transpose()
            && self.incoming().take(received)
        {}
        false
    }

    fn incoming(&self) -> Incoming<'_, J> {
        Incoming { shared: self.shared, handle: self.handle, time: Time::Thread(self.lane) }
    }

    fn report(&self, death: Death) {
        let (handle, worker) = (self.handle, self.handle.id);
        let crash = handle.crash.get();
        let death = crash.map_or(death, |crash| crash.death);
        if handle.is_retired() {
            self.incoming().note_report(Err(format!("it left without a word: {death}")));
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
            self.incoming().deliver(&jobs, view.outcomes().skip(salvage.skip));
        }
    }

    /// What there is to say about the worker's end. Takes the lock, and lets it go.
    fn gone(&self, death: Death, cause: &str) -> PoolEvent {
        let worker = self.handle.id;
        let state = self.shared.state.lock();
        let running = state.running(worker).map(|(frame, index, _)| (frame, index));
        let kept = state.kept(worker);
        // It may have become ready in the moment in which it was found not to be needed.
        let is_dismissed = state.sched.is_dismissed(worker);
        drop(state);
        let kept = kept.and_then(Salvage::new).map(|salvage| (salvage.frame, salvage.count));
        let in_order = self.handle.is_retired() && death.cause == DeathCause::Exited(0);
        let left = is_dismissed || (in_order && !self.handle.was_killed());
        let at = clock::now();
        PoolEvent::Gone { worker, death, left, cause: cause.into(), running, kept, at }
    }
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
