//! Records outcomes in the journal before they are printed.
//!
//! With a journal it is the recorder that takes the outcomes from the executor. They gather in a queue; a thread writes
//! all that have gathered as one group, and passes them on to the collector. While it waits for the disk, the next group
//! gathers, so a slow disk makes groups larger and not the run slower. The queue is bounded by the collector, in which
//! all of these jobs are.

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

use super::News;
use crate::output::{Collector, Tail, cancelled_tail, record_of};

/// Takes outcomes, records them, and passes them on.
pub(crate) struct Recorder {
    collector: Arc<Collector>,
    queue: Mutex<Queue>,
    /// Signalled when there is something to record, or never will be.
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Of jobs that are on their way.
    digests: HashMap<u64, Digest>,
    outcomes: VecDeque<Outcome>,
    /// What comes now is not recorded any more.
    closed: bool,
}

struct Outcome {
    position: u64,
    digest: Digest,
    tail: Tail,
}

/// The thread that writes. Its error is returned by [`finish`](Recording::finish) and nowhere else, so that it cannot be
/// lost, whenever it occurs.
pub(crate) struct Recording {
    pub(crate) recorder: Arc<Recorder>,
    thread: JoinHandle<io::Result<()>>,
}

impl Recording {
    /// Starts recording; `one_by_one` rather than in groups.
    pub(crate) fn start(
        collector: &Arc<Collector>,
        journal: Journal,
        one_by_one: bool,
        news: &Sender<News>,
    ) -> io::Result<Recording> {
        let collector = collector.clone();
        let recorder = Arc::new(Recorder { collector, queue: Mutex::default(), filled: Condvar::new() });
        let (writing, news) = (recorder.clone(), news.clone());
        let thread = thread::Builder::new()
            .name("runner-journal".into())
            .spawn(move || writing.write_all(journal, one_by_one, &news))?;
        Ok(Recording { recorder, thread })
    }

    /// Records what there is, and ends. Outcomes that are still to be recorded then are of jobs that the run has given
    /// up; they need not be computed again.
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

impl Recorder {
    /// Announces a job, which will be pushed under this position.
    pub(crate) fn expect(&self, position: u64, digest: Digest) {
        self.queue.lock().digests.insert(position, digest);
    }

    fn write_all(&self, mut journal: Journal, one_by_one: bool, news: &Sender<News>) -> io::Result<()> {
        while let Some(group) = self.next_group(one_by_one) {
            let records = group
                .iter()
                .filter_map(|Outcome { position, digest, tail }| record_of(*position, *digest, tail));
            let appended = journal.append(records);
            if appended.is_err() {
                // Before the jobs get their records: with the last record the coordinator stops listening. Without a
                // listener the run is over, and the coordinator finds the error by `finish`.
                let _ = news.send(News::JournalFailed);
                self.cancel(group);
                return appended;
            }
            let tails: Vec<(u64, Tail)> =
                group.into_iter().map(|outcome| (outcome.position, outcome.tail)).collect();
            self.collector.settle_all(&tails);
        }
        Ok(())
    }

    /// Waits for outcomes; `None` when there will be no more.
    fn next_group(&self, one_by_one: bool) -> Option<Vec<Outcome>> {
        let mut queue = self.queue.lock();
        while queue.outcomes.is_empty() && !queue.closed {
            self.filled.wait(&mut queue);
        }
        // At the end all at once: somebody is waiting for it.
        let count = if one_by_one && !queue.closed { 1 } else { queue.outcomes.len() };
        (count > 0).then(|| queue.outcomes.drain(..count).collect())
    }

    /// An outcome that cannot be recorded is not printed: a resumed run would print another one.
    fn cancel(&self, group: Vec<Outcome>) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let rest = queue.outcomes.drain(..).chain(group);
        let rest: Vec<(u64, Tail)> = rest.map(|outcome| (outcome.position, cancelled_tail())).collect();
        self.collector.settle_all(&rest);
    }
}

impl Sink<Builtin> for Recorder {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let (tails, abandoned) = self.collector.worded(&resolved);
        drop(resolved);
        self.collector.count_failures(&tails);
        // Before the records: with the last one of them the run ends, and hears nothing more.
        if let Some(cause) = abandoned {
            self.collector.broke(cause);
        }
        let mut unrecorded = Vec::new();
        let mut queue = self.queue.lock();
        for (position, tail) in tails {
            match queue.digests.remove(&position) {
                Some(digest) if !queue.closed && record_of(position, digest, &tail).is_some() => {
                    queue.outcomes.push_back(Outcome { position, digest, tail });
                }
                _ => unrecorded.push((position, cancelled_tail())),
            }
        }
        if !queue.outcomes.is_empty() {
            self.filled.notify_all();
        }
        drop(queue);
        if !unrecorded.is_empty() {
            self.collector.settle_all(&unrecorded);
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

    /// A recording of so many jobs that fails, and its news.
    fn failing(jobs: u64) -> (Recording, Arc<Collector>, Receiver<News>) {
        let (news, heard) = channel();
        let plan = Plan::new(Arguments::try_parse_from(["runner"]).unwrap()).unwrap();
        let collector = Collector::new(&plan, news.clone());
        let recording = Recording::start(&collector, unwritable_journal(), false, &news).unwrap();
        for position in 0..jobs {
            collector.enter_all(1, &mut |_| (None, 1)).unwrap();
            recording.recorder.expect(position, Digest::of("sum", b"4"));
        }
        (recording, collector, heard)
    }

    fn resolve(recording: &Recording, tag: u64) {
        recording.recorder.resolve(vec![Resolved { tag, outcome: Ok(Value::Natural(10u64.into())) }]);
    }

    #[test]
    fn a_failure_is_announced_before_the_last_record_is_there() {
        for _ in 0..100 {
            let (recording, collector, heard) = failing(1);
            collector.close();
            resolve(&recording, 0);
            let lines = collector.take_lines(0).unwrap().concat();
            assert!(matches!(heard.try_recv(), Ok(News::JournalFailed)), "the end of the output comes first");
            assert!(String::from_utf8(lines).unwrap().contains("cancelled"));
            assert!(recording.finish().is_err());
        }
    }

    #[test]
    fn a_failure_that_nobody_listens_to_any_more_is_returned_at_the_end() {
        let (recording, collector, heard) = failing(1);
        drop(heard);
        collector.cancel_rest();
        resolve(&recording, 0);
        assert_eq!(recording.finish().unwrap_err().raw_os_error(), Some(Errno::EINVAL as i32));
    }

    #[test]
    fn what_ends_after_a_failure_is_cancelled() {
        let (recording, collector, heard) = failing(2);
        resolve(&recording, 0);
        assert!(matches!(heard.recv(), Ok(News::JournalFailed)));
        let recorder = recording.recorder.clone();
        assert!(recording.finish().is_err());
        recorder.resolve(vec![Resolved { tag: 1, outcome: Ok(Value::Natural(10u64.into())) }]);
        assert_eq!(collector.counts().of(crate::output::Kind::Cancelled), 2);
    }
}
