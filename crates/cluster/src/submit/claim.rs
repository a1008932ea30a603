//! Claims: a run has one submitter at a time.
//!
//! A submitter stores its id in a claim, a message that the server stores only if no other submitter has
//! stored one meanwhile. Before that it pings the holder of the last claim, on a subject to which only the
//! holder is subscribed. When a submitter is killed, the system closes its connection, and the server itself
//! answers that the subject has no responders: the run can be resumed at once, without any expiry or clock. A
//! submitter that is cut off or stopped does not answer within two seconds; when it is back, it finds the
//! other one's claim and fails.

use std::time::{Duration, Instant};

use async_nats::{
    Client, HeaderMap, Subscriber,
    client::RequestErrorKind,
    jetstream::stream::{LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::{
    Error, Queue, RunId,
    connect::Session,
    publish::{StoreResult, expect_last},
    streams::Streams,
};

/// Timeout of one ping. The holder is pinged several times, because the server may not have noticed yet that
/// its connection is gone.
const PING_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_PINGS: u32 = 4;

/// Delay between two attempts to store a claim.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The claim of this submitter.
#[derive(Clone)]
pub(super) struct Claim {
    stream: Stream,
    subject: String,
    id: String,
    run: RunId,
}

impl Claim {
    /// Claims the run, unless it has another submitter that answers.
    pub(super) async fn acquire(
        session: &Session,
        streams: &Streams,
        (queue, run): (&Queue, &RunId),
    ) -> Result<Claim, Error> {
        let id = session.client.new_inbox().replace(['.', '*', '>'], "-");
        let pings = session.client.subscribe(queue.submitter(&id)).await.map_err(Error::server)?;
        tokio::spawn(answer_pings(session.client.clone(), pings));
        let claim =
            Claim { stream: streams.quarantine.clone(), subject: queue.claim(run), id, run: run.clone() };
        let start = Instant::now();
        loop {
            let last = match claim.last().await? {
                // The claim was stored, but the server's answer was lost.
                Some((_, holder)) if holder == claim.id => return Ok(claim),
                Some((_, holder)) if answers_ping(session, queue.submitter(&holder)).await => {
                    return Err(Error::InUse { run: run.clone() });
                }
                Some((number, _)) => number,
                None => 0,
            };
            let headers = expect_last(HeaderMap::new(), last);
            match session.store(&claim.subject, headers, claim.id.clone().into()).await {
                StoreResult::Stored(_) => return Ok(claim),
                // Another submitter was faster: ping it.
                StoreResult::AlreadyExists => {}
                StoreResult::Full(cause) => return Err(Error::NoSpace { queue: queue.clone(), cause }),
                StoreResult::Unknown(cause) if start.elapsed() >= session.retry_timeout => {
                    return Err(Error::NoAnswer(cause));
                }
                StoreResult::Unknown(_) => sleep(RETRY_DELAY).await,
            }
        }
    }

    /// Returns the sequence number and the holder of the last claim.
    async fn last(&self) -> Result<Option<(u64, String)>, Error> {
        match self.stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(found) => Ok(Some((found.sequence, String::from_utf8_lossy(&found.payload).into_owned()))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Error::NoAnswer(error.to_string())),
        }
    }

    /// Returns an error if the last claim is of another submitter. Errors of the server are ignored.
    pub(super) async fn taken_over(&self) -> Option<Error> {
        let holder = self.last().await.ok().flatten().map(|(_, holder)| holder);
        holder.filter(|holder| *holder != self.id).map(|_| Error::TakenOver { run: self.run.clone() })
    }
}

/// Answers pings as long as there is a connection.
async fn answer_pings(client: Client, mut pings: Subscriber) {
    while let Some(ping) = pings.next().await {
        if let Some(reply) = ping.reply {
            let _ = client.publish(reply, Bytes::new()).await;
        }
    }
}

/// Returns whether the submitter that is subscribed there answers a ping.
async fn answers_ping(session: &Session, subject: String) -> bool {
    for _ in 0..MAX_PINGS {
        match timeout(PING_TIMEOUT, session.client.request(subject.clone(), Bytes::new())).await {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => return false,
            Ok(Err(_)) => sleep(RETRY_DELAY).await,
            Err(_) => {}
        }
    }
    false
}
