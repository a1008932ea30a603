//! The nodes' consumer: opening it, and acknowledging its messages.

use std::time::Duration;

use async_nats::{
    datetime::DateTime,
    jetstream::{
        AckKind, Message,
        consumer::{self, PullConsumer},
    },
};
use tokio::time::{sleep, timeout};

use super::settings::NodeSettings;
use crate::{
    Error,
    connect::Session,
    streams::{ACK_WAIT, Streams},
};

/// Time for the other nodes to receive an announcement.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(50);

/// How long an acknowledgement may wait for a connection. If it is lost, the message is redelivered, and its
/// result is found.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the nodes' consumer and sets its ack wait if the settings have one.
pub(super) async fn open_consumer(
    session: &Session,
    settings: &NodeSettings,
    streams: &Streams,
) -> Result<PullConsumer, Error> {
    let consumer = streams.consumer(session, settings.ack_wait.unwrap_or(ACK_WAIT)).await?;
    let Some(wanted) = settings.ack_wait.filter(|&wait| wait != ack_wait(consumer.cached_info())) else {
        return Ok(consumer);
    };
    // Announced before and after the change: on the first ping the other nodes send heartbeats, so that no
    // message expires under a shorter ack wait; on the second they read the new one.
    let announce = || session.client.publish(settings.queue.ping(), "".into());
    announce().await.map_err(Error::server)?;
    session.flush().await;
    sleep(ANNOUNCE_DELAY).await;
    let consumer = streams.set_ack_wait(session, &consumer, wanted).await?;
    announce().await.map_err(Error::server)?;
    Ok(consumer)
}

/// Returns the ack wait of a consumer.
pub(super) fn ack_wait(info: &consumer::Info) -> Duration {
    if info.config.ack_wait.is_zero() { ACK_WAIT } else { info.config.ack_wait }
}

/// Returns the creation time of a consumer.
pub(super) fn created(consumer: &PullConsumer) -> DateTime {
    consumer.cached_info().created
}

/// Sends an acknowledgement. Failures are ignored: the message is redelivered, and its result is found.
pub(super) async fn acknowledge(message: &Message, kind: AckKind) {
    let _ = timeout(ACK_TIMEOUT, message.ack_with(kind)).await;
}
