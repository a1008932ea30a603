//! How a node leaves its queue.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::jetstream::{AckKind, consumer::pull::Batch};
use pool::Job;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    NodeNews,
    serve::{Node, acknowledge, next},
};

/// How long results may take to be stored after the last job has ended.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// What a request brings that is under way when the node leaves.
const LAST_BATCHES: Duration = Duration::from_millis(50);

impl<J: Job> Node<J> {
    /// Finishes what can be finished soon, and hands back the rest.
    pub(super) async fn leave(
        &mut self,
        mut pull: Option<Batch>,
        tell: &mut dyn FnMut(NodeNews),
        asked: &mut watch::Receiver<u32>,
    ) {
        let grace = if *asked.borrow() == 1 { self.shared.settings.grace } else { Duration::ZERO };
        self.shared.is_leaving.store(true, Ordering::Release);
        self.shared.pool.stop(grace);
        while let Ok(Some(Ok(message))) = timeout(LAST_BATCHES, next(&mut pull)).await {
            self.summary.handed_back += 1;
            acknowledge(&message, AckKind::Nak(None)).await;
        }
        drop(pull);
        let give_up = sleep(grace + LAST_WORDS);
        tokio::pin!(give_up);
        while !self.held.is_empty() {
            tokio::select! {
                Some(ended) = self.ended.recv() => {
                    // There is one error to tell, and that is why we leave.
                    let _ = self.finish(ended, tell).await;
                }
                Ok(()) = asked.changed() => self.shared.pool.stop(Duration::ZERO),
                () = &mut give_up => break,
            }
        }
        self.hurry.send_replace(true);
        for held in std::mem::take(&mut self.held).into_values() {
            self.summary.handed_back += 1;
            self.settle(&held.message, held.consumer, AckKind::Nak(None)).await;
        }
        self.shared.session.flush().await;
    }
}
