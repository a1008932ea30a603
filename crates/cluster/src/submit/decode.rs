//! Turns results into outcomes, beside the runtime: this is the work of a submitter that takes processor time.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use pool::{Job, Outcome};

use super::{
    guard::DecoderGuard,
    shared::{Batch, Command, Shared},
};
use crate::{Error, batch::take_bytes, verdict};

/// A batch and its outcomes.
pub(super) struct Decode<J: Job> {
    pub(super) batch: Batch<J>,
    pub(super) outcomes: Bytes,
}

/// Starts the thread; it ends with the last sender.
pub(super) fn start<J: Job>(shared: &Arc<Shared<J>>) -> Result<Sender<Decode<J>>, Error> {
    let (sender, receiver) = channel();
    let shared = shared.clone();
    let run = move || {
        shared.is_own_thread_from_now_on();
        let _guard = DecoderGuard(shared.clone());
        decode_all(&shared, &receiver);
    };
    thread::Builder::new().name("runner-results".into()).spawn(run).map_err(Error::thread)?;
    Ok(sender)
}

fn decode_all<J: Job>(shared: &Shared<J>, results: &Receiver<Decode<J>>) {
    for Decode { batch, outcomes } in results {
        match decode::<J>(&outcomes, batch.span.count) {
            Ok(outcomes) => batch.deliver(outcomes),
            Err(cause) => {
                let cause_of_all: Arc<str> = cause.as_str().into();
                shared.command(Command::Unreadable(batch.span, cause));
                batch.fail(|| pool::JobError::Abandoned(cause_of_all.clone()));
            }
        }
    }
}

fn decode<J: Job>(mut bytes: &[u8], count: u64) -> Result<Vec<Outcome<J>>, String> {
    let mut outcomes = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(bytes.len()));
    for _ in 0..count {
        let one = take_bytes(&mut bytes).ok_or("it ends before the last outcome")?;
        outcomes.push(verdict::decode::<J>(one).map_err(|error| error.to_string())?);
    }
    if bytes.is_empty() { Ok(outcomes) } else { Err("it has too many bytes".to_owned()) }
}
