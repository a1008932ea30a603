//! Decodes results on a thread of its own, because it takes most of the processor time of a submitter.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use pool::{Job, future::Outcome};

use super::{
    guard::DecoderGuard,
    shared::{Command, JobMessage, RunState},
};
use crate::{Error, message::take_bytes, outcome};

/// A message and the encoded outcomes of its jobs.
pub(super) struct DecodeTask<J: Job> {
    pub(super) message: JobMessage<J>,
    pub(super) outcomes: Bytes,
}

/// Starts the thread, which ends when the last sender is dropped.
pub(super) fn start<J: Job>(shared: &Arc<RunState<J>>) -> Result<Sender<DecodeTask<J>>, Error> {
    let (sender, receiver) = channel();
    let shared = shared.clone();
    let run = move || {
        shared.register_sink_thread();
        let _guard = DecoderGuard(shared.clone());
        decode_all(&shared, &receiver);
    };
    thread::Builder::new().name("runner-results".into()).spawn(run).map_err(Error::thread)?;
    Ok(sender)
}

fn decode_all<J: Job>(shared: &RunState<J>, results: &Receiver<DecodeTask<J>>) {
    for DecodeTask { message, outcomes } in results {
        match decode::<J>(&outcomes, message.span.count) {
            Ok(outcomes) => message.deliver(outcomes),
            Err(cause) => {
                let cause_of_all: Arc<str> = cause.as_str().into();
                shared.command(Command::Unreadable(message.span, cause));
                message.fail(|| pool::JobError::Broken(cause_of_all.clone()));
            }
        }
    }
}

fn decode<J: Job>(mut bytes: &[u8], count: u64) -> Result<Vec<Outcome<J>>, String> {
    let mut outcomes = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(bytes.len()));
    for _ in 0..count {
        let one = take_bytes(&mut bytes).ok_or("the result ends before the last outcome")?;
        outcomes.push(outcome::decode::<J>(one).map_err(|error| error.to_string())?);
    }
    if bytes.is_empty() { Ok(outcomes) } else { Err("the result has trailing bytes".to_owned()) }
}
