//! One submitter at a time works on a run.
//!
//! Who begins writes its id down, in a message that the server stores only if nobody else has written meanwhile; before, it
//! asks whoever is written down there for a sign of life, on a subject that only that one listens on. A submitter that is
//! killed does not listen any more from the moment in which the system closes its connection, so the server itself answers
//! that nobody is there: its run can be gone on with at once, without any age or clock. One that is cut off, or stopped, does not
//! answer within two seconds; when it is back, it finds the other one's id and gives up.

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

/// A submitter answers by then. It is asked several times: the server may not know yet that it is gone.
const PING_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_PINGS: u32 = 4;

/// Between two attempts to write.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What a submitter has written down.
#[derive(Clone)]
pub(super) struct Claim {
    stream: Stream,
    subject: String,
    id: String,
    run: RunId,
}

impl Claim {
    /// Takes the run, unless somebody else is at work on it.
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
                // The answer to what we had written was lost.
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
                // Somebody was faster: who is it?
                StoreResult::AlreadyExists => {}
                StoreResult::Full(cause) => return Err(Error::NoRoom { queue: queue.clone(), cause }),
                StoreResult::Unknown(cause) if start.elapsed() >= session.retry_timeout => {
                    return Err(Error::NoAnswer(cause));
                }
                StoreResult::Unknown(_) => sleep(RETRY_DELAY).await,
            }
        }
    }

    /// Who has written last, and the message's number.
    async fn last(&self) -> Result<Option<(u64, String)>, Error> {
        match self.stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(found) => Ok(Some((found.sequence, String::from_utf8_lossy(&found.payload).into_owned()))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(Error::NoAnswer(error.to_string())),
        }
    }

    /// Whether somebody else has the run now, as far as the server says.
    pub(super) async fn taken_over(&self) -> Option<Error> {
        let holder = self.last().await.ok().flatten().map(|(_, holder)| holder);
        holder.filter(|holder| *holder != self.id).map(|_| Error::TakenOver { run: self.run.clone() })
    }
}

/// Gives signs of life for as long as there is a connection.
async fn answer_pings(client: Client, mut pings: Subscriber) {
    while let Some(ping) = pings.next().await {
        if let Some(reply) = ping.reply {
            let _ = client.publish(reply, Bytes::new()).await;
        }
    }
}

/// Whether the submitter that listens there gives signs of life.
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
