//! Records outcomes in the journal before they are printed.
//!
//! With a journal it is the recorder that takes the outcomes from the executor. They gather in a queue; a
//! thread writes all that have gathered as one group, and passes them on to the buffer. While it waits for
//! the disk, the next group gathers, so a slow disk makes groups larger and not the run slower. The queue is
//! bounded by the buffer, in which all of these jobs are.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, mpsc::Sender},
    thread::{self, JoinHandle},
};

use journal::{Digest, Journal};
use ops::Builtin;
use parking_lot::{Condvar, Mutex};
use pool::{Resolved, Sink};

use super::RunEvent;
use crate::output::{RecordBody, ReorderBuffer, cancelled_body, journal_record};

/// Takes outcomes, records them, and passes them on.
pub(crate) struct JournalRecorder {
    buffer: Arc<ReorderBuffer>,
    queue: Mutex<RecordQueue>,
    /// Signalled when there is something to record, or never will be.
    filled: Condvar,
}

#[derive(Default)]
struct RecordQueue {
    /// Of jobs that are on their way.
    digests: HashMap<u64, Digest>,
    outcomes: VecDeque<UnrecordedOutcome>,
    /// What comes now is not recorded any more.
    closed: bool,
}

struct UnrecordedOutcome {
    position: u64,
    digest: Digest,
    body: RecordBody,
}

/// The thread that writes. Its error is returned by [`finish`](JournalThread::finish) and nowhere else, so
/// that it cannot be lost, whenever it occurs.
pub(crate) struct JournalThread {
    pub(crate) recorder: Arc<JournalRecorder>,
    thread: JoinHandle<io::Result<()>>,
}

impl JournalThread {
    /// Starts recording; `one_at_a_time` rather than in groups.
    pub(crate) fn start(
        buffer: &Arc<ReorderBuffer>,
        journal: Journal,
        one_at_a_time: bool,
        events: &Sender<RunEvent>,
    ) -> io::Result<JournalThread> {
        let buffer = buffer.clone();
        let recorder = Arc::new(JournalRecorder { buffer, queue: Mutex::default(), filled: Condvar::new() });
        let (writing, events) = (recorder.clone(), events.clone());
        let thread = thread::Builder::new()
            .name("runner-journal".into())
            .spawn(move || writing.write_all(journal, one_at_a_time, &events))?;
        Ok(JournalThread { recorder, thread })
    }

    /// Records what there is, and ends. Outcomes that are still to be recorded then are of jobs that the run
    /// has given up; they need not be computed again.
    ///
    /// # Errors
    /// When outcomes could not be recorded, now or earlier.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.recorder.queue.lock().closed = true;
        self.recorder.filled.notify_all();
        // A panic has been printed by then, and is no reason for another.
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes it panicked")))
    }
}

impl JournalRecorder {
    /// Announces a job, which will be pushed under this position.
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
                // Before the jobs get their records: with the last record the coordinator stops listening.
                // Without a listener the run is over, and the coordinator finds the error by `finish`.
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

    /// Waits for outcomes; `None` when there will be no more.
    fn next_group(&self, one_at_a_time: bool) -> Option<Vec<UnrecordedOutcome>> {
        let mut queue = self.queue.lock();
        while queue.outcomes.is_empty() && !queue.closed {
            self.filled.wait(&mut queue);
        }
        // At the end all at once: somebody is waiting for it.
        let count = if one_at_a_time && !queue.closed { 1 } else { queue.outcomes.len() };
        (count > 0).then(|| queue.outcomes.drain(..count).collect())
    }

    /// An outcome that cannot be recorded is not printed: a resumed run would print another one.
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
        // Before the records: with the last one of them the run ends, and hears nothing more.
        if let Some(cause) = abandoned {
            self.buffer.broke(cause);
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
            self.filled.notify_all();
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
    use crate::{args::Arguments, plan::Plan};

    /// A journal to which nothing can be appended: its file is open for reading only.
    fn unwritable_journal() -> Journal {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_only = File::open(file.path()).unwrap();
        journal::Locked::lock(read_only, file.path()).unwrap().start(false).unwrap()
    }

    /// A recording of so many jobs that fails, and its events.
    fn failing(jobs: u64) -> (JournalThread, Arc<ReorderBuffer>, Receiver<RunEvent>) {
        let (events, receiver) = channel();
        let plan = Plan::new(Arguments::try_parse_from(["runner"]).unwrap()).unwrap();
        let buffer = ReorderBuffer::new(&plan, events.clone());
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
    fn a_failure_is_announced_before_the_last_record_is_there() {
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
    fn a_failure_that_nobody_listens_to_any_more_is_returned_at_the_end() {
        let (recording, buffer, receiver) = failing(1);
        drop(receiver);
        buffer.cancel_rest();
        resolve(&recording, 0);
        assert_eq!(recording.finish().unwrap_err().raw_os_error(), Some(Errno::EINVAL as i32));
    }

    #[test]
    fn what_ends_after_a_failure_is_cancelled() {
        let (recording, buffer, receiver) = failing(2);
        resolve(&recording, 0);
        assert!(matches!(receiver.recv(), Ok(RunEvent::JournalFailed)));
        let recorder = recording.recorder.clone();
        assert!(recording.finish().is_err());
        recorder.resolve(vec![Resolved { tag: 1, outcome: Ok(Value::Natural(10u64.into())) }]);
        assert_eq!(buffer.counts().of(crate::output::OutcomeKind::Cancelled), 2);
    }
}
