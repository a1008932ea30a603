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

use builtin::Builtin;
use journal::{Digest, Journal};
use parking_lot::{Condvar, Mutex};
use pool::{Resolved, Sink};

use super::News;
use crate::output::{Collector, Tail, cancelled_tail, record_of, worded};

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

/// The thread that writes.
pub(crate) struct Recording {
    pub(crate) recorder: Arc<Recorder>,
    thread: JoinHandle<()>,
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
    pub(crate) fn finish(self) {
        self.recorder.queue.lock().closed = true;
        self.recorder.filled.notify_all();
        // A panic has been printed by then, and is no reason for another.
        let _ = self.thread.join();
    }
}

impl Recorder {
    /// Announces a job, which will be pushed under this position.
    pub(crate) fn expect(&self, position: u64, digest: Digest) {
        self.queue.lock().digests.insert(position, digest);
    }

    fn write_all(&self, mut journal: Journal, one_by_one: bool, news: &Sender<News>) {
        while let Some(group) = self.next_group(one_by_one) {
            let records = group
                .iter()
                .filter_map(|Outcome { position, digest, tail }| record_of(*position, *digest, tail));
            if let Err(error) = journal.append(records) {
                self.fail(group);
                // Nobody listens any more only when the run is over.
                let _ = news.send(News::JournalFailed(error));
                return;
            }
            self.collector.settle_all(group.into_iter().map(|outcome| (outcome.position, outcome.tail)));
        }
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
    fn fail(&self, group: Vec<Outcome>) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let rest = queue.outcomes.drain(..).chain(group).map(|outcome| (outcome.position, cancelled_tail()));
        self.collector.settle_all(rest);
    }
}

impl Sink<Builtin> for Recorder {
    fn resolve(&self, resolved: Vec<Resolved<Builtin>>) {
        let (tails, abandoned) = worded(&resolved);
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
            self.collector.settle_all(unrecorded);
        }
    }
}
