//! Records outcomes in the journal before they are printed.
//!
//! With a journal the recorder is the sink of the executor. Outcomes are added to a queue. A thread takes all
//! queued outcomes as one group, appends the group to the journal, and passes it to the reorder buffer. New
//! outcomes queue up during the write, so a slow disk makes the groups larger instead of slowing down the
//! run. The reorder buffer, which holds all of these jobs, bounds the queue.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, mpsc::Sender},
    thread::{self, JoinHandle},
};

use journal::{Digest, Journal};
use ops::Builtin;
use parking_lot::{Condvar, Mutex};
use pool::stream::{Resolved, Sink};

use crate::{
    event::RunEvent,
    output::{RecordBody, ReorderBuffer, cancelled_body, journal_record},
    parse::Op,
};

/// Digest of a job's text and op. The op matters because with `--op` the same bare value is a different job.
pub(super) fn digest(op: Op, text: &[u8]) -> Digest {
    Digest::of(op.identity(), text)
}

/// Sink that records outcomes and passes them to the reorder buffer.
pub(crate) struct JournalRecorder {
    buffer: Arc<ReorderBuffer>,
    queue: Mutex<RecordQueue>,
    /// Notified when the queue is not empty or is closed.
    not_empty: Condvar,
}

#[derive(Default)]
struct RecordQueue {
    /// Digests of jobs without an outcome, by position.
    digests: HashMap<u64, Digest>,
    outcomes: VecDeque<UnrecordedOutcome>,
    /// Whether recording has ended. Outcomes that arrive later are not recorded.
    closed: bool,
}

struct UnrecordedOutcome {
    position: u64,
    digest: Digest,
    body: RecordBody,
}

/// The thread that writes the journal. Only [`finish`](JournalThread::finish) returns its error, so that the
/// error cannot be lost, whenever it occurs.
pub(crate) struct JournalThread {
    pub(crate) recorder: Arc<JournalRecorder>,
    thread: JoinHandle<io::Result<()>>,
}

impl JournalThread {
    /// Starts the thread. With `one_at_a_time` it appends each outcome separately instead of in groups.
    pub(crate) fn start(
        buffer: &Arc<ReorderBuffer>,
        journal: Journal,
        one_at_a_time: bool,
        events: &Sender<RunEvent>,
    ) -> io::Result<JournalThread> {
        let buffer = buffer.clone();
        let recorder =
            Arc::new(JournalRecorder { buffer, queue: Mutex::default(), not_empty: Condvar::new() });
        let (writer, events) = (recorder.clone(), events.clone());
        let thread = thread::Builder::new()
            .name("runner-journal".into())
            .spawn(move || writer.write_all(journal, one_at_a_time, &events))?;
        Ok(JournalThread { recorder, thread })
    }

    /// Records the queued outcomes and ends the thread. Outcomes that are still queued then belong to jobs
    /// that the run has given up; recording them saves computing them again.
    ///
    /// # Errors
    /// When outcomes could not be recorded, now or earlier.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.recorder.queue.lock().closed = true;
        self.recorder.not_empty.notify_all();
        // The panic message has been printed already, so the panic is returned as an error.
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the journal thread panicked")))
    }
}

impl JournalRecorder {
    /// Registers the digest of a job before it is pushed at this position.
    pub(crate) fn expect(&self, position: u64, digest: Digest) {
        self.queue.lock().digests.insert(position, digest);
    }

    fn write_all(
        &self,
        mut journal: Journal,
        one_at_a_time: bool,
        events: &Sender<RunEvent>,
    ) -> io::Result<()> {
        while let Some(group) = self.next_group(one_at_a_time) {
            let records = group.iter().filter_map(|UnrecordedOutcome { position, digest, body }| {
                journal_record(*position, *digest, body)
            });
            let appended = journal.append(records);
            if appended.is_err() {
                // Before the jobs get their records: the coordinator stops receiving events after the last
                // record. If sending fails the run is over, and the coordinator gets the error from `finish`.
                let _ = events.send(RunEvent::JournalFailed);
                self.cancel(group);
                return appended;
            }
            let bodies: Vec<(u64, RecordBody)> =
                group.into_iter().map(|outcome| (outcome.position, outcome.body)).collect();
            self.buffer.settle_all(&bodies);
        }
        Ok(())
    }

    /// Waits for outcomes; returns `None` when there will be no more.
    fn next_group(&self, one_at_a_time: bool) -> Option<Vec<UnrecordedOutcome>> {
        let mut queue = self.queue.lock();
        while queue.outcomes.is_empty() && !queue.closed {
            self.not_empty.wait(&mut queue);
        }
        // After `finish` has been called, take all at once, because it waits.
        let count = if one_at_a_time && !queue.closed { 1 } else { queue.outcomes.len() };
        (count > 0).then(|| queue.outcomes.drain(..count).collect())
    }

    /// Cancels the jobs of a group that could not be recorded. Their outcomes are not printed, because a
    /// resumed run could print others.
    fn cancel(&self, group: Vec<UnrecordedOutcome>) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let rest = queue.outcomes.drain(..).chain(group);
        let rest: Vec<(u64, RecordBody)> = rest.map(|outcome| (outcome.position, cancelled_body())).collect();
        self.buffer.settle_all(&rest);
    }
}

impl Sink<Builtin> for JournalRecorder {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let (bodies, abandoned) = self.buffer.record_bodies(&resolved);
        drop(resolved);
        self.buffer.count_failures(&bodies);
        // Before the records: after the last record the coordinator stops receiving events.
        if let Some(cause) = abandoned {
            self.buffer.report_failure(cause);
        }
        let mut unrecorded = Vec::new();
        let mut queue = self.queue.lock();
        for (position, body) in bodies {
            match queue.digests.remove(&position) {
                Some(digest) if !queue.closed && journal_record(position, digest, &body).is_some() => {
                    queue.outcomes.push_back(UnrecordedOutcome { position, digest, body });
                }
                _ => unrecorded.push((position, cancelled_body())),
            }
        }
        if !queue.outcomes.is_empty() {
            self.not_empty.notify_all();
        }
        drop(queue);
        if !unrecorded.is_empty() {
            self.buffer.settle_all(&unrecorded);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        sync::mpsc::{Receiver, channel},
    };

    use clap::Parser;
    use nix::errno::Errno;
    use ops::Value;

    use super::*;
    use crate::{args::Arguments, output::FailureReport, plan::Plan, thread_timers::ThreadTimers};

    /// Returns a journal that cannot be appended to, because its file is open for reading only.
    fn unwritable_journal() -> Journal {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_only = File::open(file.path()).unwrap();
        journal::LockedFile::lock(read_only, file.path()).unwrap().start(false).unwrap()
    }

    /// Returns a failing journal thread with `jobs` registered jobs, and its events.
    fn failing(jobs: u64) -> (JournalThread, Arc<ReorderBuffer>, Receiver<RunEvent>) {
        let (events, receiver) = channel();
        let plan = Plan::new(Arguments::try_parse_from(["runner"]).unwrap()).unwrap();
        let buffer = ReorderBuffer::new(
            plan.buffer_settings(),
            FailureReport::default(),
            ThreadTimers::new(0),
            events.clone(),
        );
        let recording = JournalThread::start(&buffer, unwritable_journal(), false, &events).unwrap();
        for position in 0..jobs {
            buffer.enter_all(1, &mut |_| (None, 1)).unwrap();
            recording.recorder.expect(position, Digest::of("sum", b"4"));
        }
        (recording, buffer, receiver)
    }

    fn resolve(recording: &JournalThread, tag: u64) {
        recording.recorder.resolve(vec![Resolved { tag, outcome: Ok(Value::Natural(10u64.into())) }]);
    }

    #[test]
    fn sends_failure_event_before_the_last_record() {
        for _ in 0..100 {
            let (recording, buffer, receiver) = failing(1);
            buffer.close();
            resolve(&recording, 0);
            let lines = buffer.take_lines(0).unwrap().concat();
            assert!(
                matches!(receiver.try_recv(), Ok(RunEvent::JournalFailed)),
                "the end of the output comes first"
            );
            assert!(String::from_utf8(lines).unwrap().contains("cancelled"));
            assert!(recording.finish().is_err());
        }
    }

    #[test]
    fn finish_returns_a_failure_without_event_receiver() {
        let (recording, buffer, receiver) = failing(1);
        drop(receiver);
        buffer.cancel_rest();
        resolve(&recording, 0);
        assert_eq!(recording.finish().unwrap_err().raw_os_error(), Some(Errno::EINVAL as i32));
    }

    #[test]
    fn outcomes_after_a_failure_are_cancelled() {
        let (recording, buffer, receiver) = failing(2);
        resolve(&recording, 0);
        assert!(matches!(receiver.recv(), Ok(RunEvent::JournalFailed)));
        let recorder = recording.recorder.clone();
        assert!(recording.finish().is_err());
        recorder.resolve(vec![Resolved { tag: 1, outcome: Ok(Value::Natural(10u64.into())) }]);
        assert_eq!(buffer.counts().of(crate::output::OutcomeKind::Cancelled), 2);
    }
}
