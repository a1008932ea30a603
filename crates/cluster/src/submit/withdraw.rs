//! Taking back what nobody is to run any more.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use pool::Job;
use tokio::time::timeout;

use super::coordinator::{Coordinator, Waiting};
use crate::{
    Error,
    names::{Span, Which},
    remove::{numbers, remove},
    status::batches,
};

/// How long all of it may take at the end of a run. What is left then a resumed run finds.
const CLEAN_UP_WITHIN: Duration = Duration::from_secs(3);

impl<J: Job> Coordinator<J> {
    /// Nobody waits for a batch any more: it is to be removed from the queue, where its place there is known, or at the end.
    pub(super) fn take_back(&mut self, waiting: &Waiting<J>) {
        match waiting.sequence {
            Some(number) => self.unwanted.push(number),
            None if waiting.sent => drop(self.orphans.insert(waiting.batch.span)),
            None => {}
        }
    }

    /// Has removed what has been taken back, unless it is somebody else's by now.
    pub(super) fn remove_unwanted(&mut self) {
        let numbers = std::mem::take(&mut self.unwanted);
        if !numbers.is_empty() && !self.taken_over {
            let (session, jobs) = (self.publisher.session.clone(), self.streams.jobs.clone());
            self.removals.spawn(async move { drop(remove(&session, &jobs, numbers).await) });
        }
    }

    /// At the end: whatever was on its way when it was taken back, and whatever a server that was killed has forgotten to
    /// remove although its result is stored. Nothing else: it may be another submitter's.
    pub(super) async fn clean_up(&mut self) {
        self.remove_unwanted();
        let orphans = std::mem::take(&mut self.orphans);
        let mut removals = std::mem::take(&mut self.removals);
        let all = async {
            self.publisher.session.flush().await;
            while removals.join_next().await.is_some() {}
            self.sweep(&orphans).await
        };
        let _ = timeout(CLEAN_UP_WITHIN, all).await;
    }

    async fn sweep(&self, orphans: &BTreeSet<Span>) -> Result<(), Error> {
        if self.taken_over {
            return Ok(());
        }
        let (queue, run) = (&self.settings.queue, &self.settings.run);
        let (jobs, results) = (&self.streams.jobs, &self.streams.results);
        let mut useless = Vec::new();
        for (_, span) in batches(jobs, &queue.all(Which::Jobs, Some(run))).await? {
            let result = queue.subject(Which::Results, run, span);
            if orphans.contains(&span) || is_there(results, &result).await? {
                useless.push(span);
            }
        }
        let numbers = numbers(jobs, (queue, run), useless).await?;
        remove(&self.publisher.session, jobs, numbers).await.map(drop)
    }
}

/// Whether there is a message under this subject.
async fn is_there(stream: &Stream, subject: &str) -> Result<bool, Error> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(Error::server(error)),
    }
}
