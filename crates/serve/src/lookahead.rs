//! Lookahead: jobs of a batch that begin before their turn to run.

use std::collections::VecDeque;

use job::{BatchId, Context, Job};
use sys::shared_page::SharedPage;
use wire::{CodecKind, batch::JobsView, catch_panic, transfer::open_referenced};

/// The jobs that have begun and not run yet, in order.
///
/// Each job is decoded once, when it begins. A job that cannot be decoded ends the lookahead: it is decoded
/// again, and reported, when its turn comes.
pub(crate) struct Lookahead<'a, J> {
    /// Payloads of the jobs that have not begun; `None` if none of them may begin ahead.
    payloads: Option<Box<dyn Iterator<Item = &'a [u8]> + 'a>>,
    begun: VecDeque<J>,
    /// A decoded job that could not begin yet.
    next: Option<J>,
    page: &'a SharedPage,
    batch: BatchId,
    /// Number of jobs decoded.
    decoded: u32,
}

impl<'a, J: Job> Lookahead<'a, J> {
    /// Creates the lookahead of a batch, before its first job.
    pub(crate) fn of(batch: &JobsView<'a>, context: &J::Context, page: &'a SharedPage) -> Lookahead<'a, J> {
        let payloads = context.starts_ahead().then(|| Box::new(batch.payloads()) as Box<_>);
        Lookahead { payloads, begun: VecDeque::new(), next: None, page, batch: batch.batch, decoded: 0 }
    }

    /// Returns true if the next job has begun.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Begins as many jobs as possible, and returns the next job if it was decoded.
    #[inline]
    pub(crate) fn next(&mut self, codec: CodecKind, context: &mut J::Context) -> Option<J> {
        if self.payloads.is_none() && self.next.is_none() && self.begun.is_empty() {
            return None;
        }
        self.begin(codec, context);
        self.begun.pop_front().or_else(|| self.next.take())
    }

    #[cold]
    fn begin(&mut self, codec: CodecKind, context: &mut J::Context) {
        loop {
            if self.next.is_none() {
                let Some(payload) = self.payloads.as_mut().and_then(Iterator::next) else { return };
                self.decoded += 1;
                match catch_panic(|| open_referenced(|| codec.decode_unguarded::<J>(payload))) {
                    Ok(Ok(job)) => self.next = Some(job),
                    _ => {
                        self.payloads = None;
                        return;
                    }
                }
            }
            let Some(job) = &self.next else { return };
            self.page.begin_job_ahead(self.batch, self.decoded - 1);
            if !self.page.may_run(self.batch) {
                return;
            }
            if !catch_panic(|| job.start_ahead(context)).unwrap_or(false) {
                return;
            }
            self.begun.extend(self.next.take());
        }
    }

    /// Gives up the jobs that have begun: they will not run.
    pub(crate) fn give_up(self, context: &mut J::Context) {
        if !self.begun.is_empty() {
            context.discard_started();
        }
    }
}
