//! Jobs of a batch that begin ahead of their turn.

use std::collections::VecDeque;

use job::{BatchId, Context, Job};
use sys::shared_page::SharedPage;
use wire::{CodecKind, batch::JobsView, catch_panic};

/// The jobs that have begun and did not run yet, in their order.
///
/// A job is decoded once, when it begins. One that cannot be decoded ends the lookahead: it is decoded again, and reported,
/// when its turn comes.
pub(crate) struct Ahead<'a, J> {
    /// Payloads of the jobs that have not begun; `None` if none may.
    payloads: Option<Box<dyn Iterator<Item = &'a [u8]> + 'a>>,
    begun: VecDeque<J>,
    /// A job that was decoded and could not begin yet.
    next: Option<J>,
    page: &'a SharedPage,
    batch: BatchId,
    /// Number of jobs decoded so far.
    decoded: u32,
}

impl<'a, J: Job> Ahead<'a, J> {
    /// The lookahead of a batch whose first job is next.
    pub(crate) fn of(batch: &JobsView<'a>, context: &J::Context, page: &'a SharedPage) -> Ahead<'a, J> {
        let payloads = context.begins_ahead().then(|| Box::new(batch.payloads()) as Box<_>);
        Ahead { payloads, begun: VecDeque::new(), next: None, page, batch: batch.batch, decoded: 0 }
    }

    /// Whether the job whose turn it is has begun.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Begins as many jobs as can begin, and takes off the one whose turn it is, if it was decoded.
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
                match catch_panic(|| codec.decode_unguarded::<J>(payload)) {
                    Ok(Ok(job)) => self.next = Some(job),
                    _ => {
                        self.payloads = None;
                        return;
                    }
                }
            }
            let Some(job) = &self.next else { return };
            self.page.enter_ahead(self.batch, self.decoded - 1);
            if !self.page.may_go_on(self.batch) {
                return;
            }
            if !catch_panic(|| job.begin(context)).unwrap_or(false) {
                return;
            }
            self.begun.extend(self.next.take());
        }
    }

    /// The jobs that have begun will not run.
    pub(crate) fn give_up(self, context: &mut J::Context) {
        if !self.begun.is_empty() {
            context.give_up_begun();
        }
    }
}
