//! A map under way: jobs go in as outcomes are taken out.

use std::{sync::Arc, vec};

use job::Job;

use super::{
    Map,
    arrivals::{Arrivals, News, Order},
    feed::Feed,
};
use crate::{Executor, Resolved, SubmitError};

/// What the one who iterates meets next.
pub(super) enum Arrived<J: Job> {
    Outcome(Resolved<J>),
    /// The deadline has passed.
    Late,
    /// The executor has taken no more jobs.
    Refused(SubmitError),
}

/// Jobs and their outcomes, until there are no more or it is closed.
pub(super) struct Stream<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> {
    feed: Feed<J, I>,
    arrivals: Arc<Arrivals<O>>,
    /// Outcomes that have been taken from there and not been asked for.
    at_hand: vec::IntoIter<Resolved<J>>,
    begun: bool,
    ended: bool,
}

impl<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> Stream<J, I, O> {
    pub(super) fn start<E: Executor<J>>(map: Map<'_, J, E, I>) -> Self {
        let arrivals = Arrivals::new();
        let feed = Feed::start(map, arrivals.clone());
        Stream { feed, arrivals, at_hand: Vec::new().into_iter(), begun: false, ended: false }
    }

    pub(super) fn pushed(&self) -> u64 {
        self.feed.pushed()
    }

    pub(super) fn next(&mut self) -> Option<Arrived<J>> {
        self.begun = true;
        if self.ended {
            return None;
        }
        if self.feed.under_way() == 0 {
            self.ended = true;
            return self.feed.take_refusal().map(Arrived::Refused);
        }
        match self.take() {
            Some(job) => {
                self.feed.replace();
                Some(Arrived::Outcome(job))
            }
            None => {
                self.close();
                Some(Arrived::Late)
            }
        }
    }

    /// The next outcome; `None` when the deadline passes before.
    fn take(&mut self) -> Option<Resolved<J>> {
        if let Some(job) = self.at_hand.next() {
            return Some(job);
        }
        self.at_hand = self.arrivals.take().or_else(|| self.wait())?.into_iter();
        self.at_hand.next()
    }

    fn wait(&mut self) -> Option<Vec<Resolved<J>>> {
        self.feed.before_waiting();
        loop {
            match self.arrivals.wait(self.feed.deadline(), self.feed.crowd()) {
                News::Piece(piece) => return Some(piece),
                News::Crowd => self.feed.grow(),
                News::Late => return None,
            }
        }
    }

    /// Ends the iteration and cancels the jobs that have not been started.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.feed.cancel();
        }
    }
}

impl<J: Job, I: Iterator<Item = J>, O: Order<Job = J>> Drop for Stream<J, I, O> {
    fn drop(&mut self) {
        if self.begun {
            self.close();
        }
    }
}
