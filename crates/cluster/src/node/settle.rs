//! Acknowledges messages that a node has handled.

use std::time::{Duration, Instant};

use async_nats::{
    datetime::DateTime,
    jetstream::{AckKind, Message},
};
use pool::Job;

use super::{
    consumer::{acknowledge, created},
    handle::Disposition,
    in_flight::{Finished, InFlight},
    node_event::NodeEvent,
    state::Node,
};
use crate::{
    Error, RunId,
    clean::purge,
    names::{Span, parse_subject},
    remove::remove,
};

/// Delay before a message that cannot be started or stored now is redelivered; doubled with each further one
/// in a row.
const RETRY_BASE_DELAY: Duration = Duration::from_secs(1);

/// Maximum number of doublings: the longest delay is 16 seconds.
const MAX_DOUBLINGS: u32 = 4;

impl<J: Job> Node<J> {
    /// Acknowledges a message that was handled, or hands it back, and reports it.
    pub(super) async fn finish(
        &mut self,
        finished: Finished,
        notify: &mut dyn FnMut(NodeEvent),
    ) -> Result<(), Error> {
        let Finished { subject, number, disposition } = finished;
        // The message may be of a stream that was deleted.
        if self.in_flight.get(&subject).is_none_or(|message| message.number != number) {
            return Ok(());
        }
        let Some(InFlight { delivery, consumer, run, span, redelivered, .. }) =
            self.in_flight.remove(&subject)
        else {
            return Ok(());
        };
        if let Some(kind) = self.redelivery(&disposition) {
            self.settle(&delivery, consumer, kind).await;
            return match disposition {
                Disposition::Failed(error) => Err(error),
                _ => Ok(()),
            };
        }
        self.count_and_notify(disposition, (run, span), notify);
        self.retries_in_row = 0;
        self.error_notifier.clear();
        self.settle(&delivery, consumer, AckKind::Ack).await;
        if redelivered || self.shared.attempts.records_first() {
            self.purge_attempts(parse_subject(&subject));
        }
        Ok(())
    }

    /// Returns the negative acknowledgement of a message that has to be delivered again, and counts it.
    fn redelivery(&mut self, disposition: &Disposition) -> Option<AckKind> {
        let delay = match disposition {
            Disposition::HandedBack | Disposition::Failed(_) => {
                self.summary.handed_back += 1;
                None
            }
            // Without a delay it would be delivered at once.
            Disposition::Busy => Some(RETRY_BASE_DELAY),
            Disposition::Retry => {
                let delay = RETRY_BASE_DELAY * (1 << self.retries_in_row.min(MAX_DOUBLINGS));
                self.retries_in_row += 1;
                Some(delay)
            }
            _ => return None,
        };
        Some(AckKind::Nak(delay))
    }

    /// Counts a message that is done, and reports it.
    fn count_and_notify(
        &mut self,
        disposition: Disposition,
        (run, Span { first, count }): (RunId, Span),
        notify: &mut dyn FnMut(NodeEvent),
    ) {
        match disposition {
            Disposition::Done { cost } => {
                self.summary.jobs += count;
                self.summary.messages += 1;
                self.rate.add(count, Instant::now());
                notify(NodeEvent::Done { run, first, count, cost });
            }
            Disposition::Late => self.summary.duplicates += 1,
            Disposition::QuarantinedMessage { deliveries } => {
                self.summary.quarantined += 1;
                notify(NodeEvent::QuarantinedMessage { run, first, count, deliveries });
            }
            Disposition::Incomplete(cause) => {
                self.summary.quarantined += 1;
                notify(NodeEvent::Incomplete { run, first, count, cause });
            }
            Disposition::Foreign => {
                self.summary.quarantined += 1;
                notify(NodeEvent::Foreign { run, first, count });
            }
            Disposition::HandedBack | Disposition::Failed(_) | Disposition::Busy | Disposition::Retry => {}
        }
    }

    /// Purges the attempt records of a message that is done.
    fn purge_attempts(&self, message: Option<(RunId, Span)>) {
        let Some((run, span)) = message else { return };
        let (stream, subject) =
            (self.streams.quarantine.clone(), self.shared.settings.queue.attempts(&run, span));
        tokio::spawn(async move { drop(purge(&stream, subject).await) });
    }

    /// Acknowledges a delivery. An acknowledgement of a delivery by a deleted consumer would have the next
    /// consumer skip messages. So a message that is done is removed from the stream instead, and any other is
    /// redelivered anyway.
    pub(super) async fn settle(&self, message: &Message, consumer: DateTime, kind: AckKind) {
        if consumer == created(&self.consumer) {
            return acknowledge(message, kind).await;
        }
        if let (AckKind::Ack | AckKind::Term, Ok(info)) = (kind, message.info()) {
            let _ = remove(&self.shared.session, &self.streams.jobs, [info.stream_sequence]).await;
        }
    }
}
