//! Draining: how a node leaves its queue.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::jetstream::{AckKind, consumer::pull::Batch};
use pool::Job;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{consumer::acknowledge, node_event::NodeEvent, serve::next_message, state::Node};

/// How long storing results may take after the last job has finished.
const STORE_GRACE: Duration = Duration::from_millis(1500);

/// How long to wait for messages of a pull request that is under way when the node leaves.
const LAST_PULL_TIMEOUT: Duration = Duration::from_millis(50);

impl<J: Job> Node<J> {
    /// Waits for running jobs within the grace period, stores their results, and hands back all other
    /// messages.
    pub(super) async fn drain(
        &mut self,
        mut pull: Option<Batch>,
        notify: &mut dyn FnMut(NodeEvent),
        leave_requests: &mut watch::Receiver<u32>,
    ) {
        let grace = if *leave_requests.borrow() == 1 { self.shared.settings.grace } else { Duration::ZERO };
        self.shared.is_leaving.store(true, Ordering::Release);
        self.shared.pool.stop(grace);
        while let Ok(Some(Ok(delivery))) = timeout(LAST_PULL_TIMEOUT, next_message(&mut pull)).await {
            self.summary.handed_back += 1;
            acknowledge(&delivery, AckKind::Nak(None)).await;
        }
        drop(pull);
        let deadline = sleep(grace + STORE_GRACE);
        tokio::pin!(deadline);
        while !self.in_flight.is_empty() {
            tokio::select! {
                Some(finished) = self.finished.recv() => {
                    // Only the error that made the node leave is reported.
                    let _ = self.finish(finished, notify).await;
                }
                Ok(()) = leave_requests.changed() => self.shared.pool.stop(Duration::ZERO),
                () = &mut deadline => break,
            }
        }
        self.stop_retrying.send_replace(true);
        for message in std::mem::take(&mut self.in_flight).into_values() {
            self.summary.handed_back += 1;
            self.settle(&message.delivery, message.consumer, AckKind::Nak(None)).await;
        }
        self.shared.session.flush().await;
    }
}
