//! A map that has been started: pushes jobs as outcomes are received.

use std::{sync::Arc, vec};

use job::Job;

use super::{
    completion_queue::{CompletionQueue, Order, Received},
    producer::Producer,
    settings::MapSettings,
};
use crate::{Resolved, SubmitError};

/// Next item of the iteration.
pub(super) enum StreamItem<J: Job> {
    Outcome(Resolved<J>),
    /// The deadline has passed.
    TimedOut,
    /// The executor accepts no more jobs.
    Refused(SubmitError),
}

/// Iteration over the outcomes of a map, until all have been received or it is closed.
pub(super) struct MapStream<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> {
    producer: Producer<J, I>,
    queue: Arc<CompletionQueue<O>>,
    /// Outcomes that have been taken from the queue and not been returned.
    received: vec::IntoIter<Resolved<J>>,
    /// Whether an item has been requested.
    started: bool,
    ended: bool,
}

impl<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> MapStream<J, I, O> {
    pub(super) fn start<E>(map: MapSettings<'_, J, E, I>) -> Self {
        let queue = CompletionQueue::new();
        let producer = Producer::start(map, queue.clone());
        MapStream { producer, queue, received: Vec::new().into_iter(), started: false, ended: false }
    }

    /// Number of jobs that have been pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.producer.pushed()
    }

    pub(super) fn next(&mut self) -> Option<StreamItem<J>> {
        self.started = true;
        if self.ended {
            return None;
        }
        if self.producer.in_flight() == 0 {
            self.ended = true;
            return self.producer.take_refusal().map(StreamItem::Refused);
        }
        match self.next_outcome() {
            Some(job) => {
                self.producer.note_output();
                Some(StreamItem::Outcome(job))
            }
            None => {
                self.close();
                Some(StreamItem::TimedOut)
            }
        }
    }

    /// Returns the next outcome, or `None` if the deadline passes first.
    fn next_outcome(&mut self) -> Option<Resolved<J>> {
        if let Some(job) = self.received.next() {
            return Some(job);
        }
        self.received = self.queue.take().or_else(|| self.wait())?.into_iter();
        self.received.next()
    }

    fn wait(&mut self) -> Option<Vec<Resolved<J>>> {
        self.producer.flush_before_wait();
        loop {
            match self.queue.wait(self.producer.deadline(), self.producer.backlog_limit()) {
                Received::Outcomes(outcomes) => return Some(outcomes),
                Received::Backlog => self.producer.double_window(),
                Received::TimedOut => return None,
            }
        }
    }

    /// Ends the iteration and cancels the jobs that have not been started.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.producer.cancel();
        }
    }
}

impl<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> Drop for MapStream<J, I, O> {
    fn drop(&mut self) {
        if self.started {
            self.close();
        }
    }
}
