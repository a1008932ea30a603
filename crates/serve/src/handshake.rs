//! The worker's first words, and its last.

use std::io;

use job::{Context, Job, Stage};
use sys::{memory, stage_timer::StageTimer};
use wire::{
    Closed, CodecKind, Inbox, Message, PacketSender, Tag, Transport, catch_panic,
    handshake::{FinalReport, Hello, Started, Welcome, pack, unpack},
    send,
};

/// What the parent asks of the worker's outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How jobs and outcomes are encoded.
    pub codec: CodecKind,
    /// How they travel.
    pub transport: Transport,
    /// The most bytes of an encoded outcome; a job with a larger one has an error instead.
    pub max_outcome: u64,
}

/// Address space that a worker needs beside what it has when it starts, in bytes: for the buffers of the largest packets and
/// batches, and for its stack and heap to grow in small jobs.
const WORKING_MEMORY: u64 = 1 << 20;

/// Introduces the worker and makes its state; `None` if the state could not be made, which the parent then knows.
///
/// # Errors
/// When the parent is gone or says something else.
pub fn handshake<J: Job>(
    inbox: &mut Inbox,
    sender: &dyn PacketSender,
    lane: &StageTimer,
) -> Result<Option<(Terms, J::Context)>, Closed> {
    send(sender, pack(&Hello::new(J::NAME)))?;
    let message = inbox.receive(|| send(sender, Message::new(Tag::PartReceived)))?;
    let welcome: Welcome = unpack(&message).map_err(|_| Closed::Malformed("no welcome"))?;
    lane.enter(Stage::Load);
    let started = start::<J>(&welcome);
    lane.enter(Stage::Start);
    let said = match &started {
        Ok(_) => Started::Ready,
        Err(reason) => Started::Failed(reason.clone()),
    };
    send(sender, pack(&said))?;
    Ok(started.ok())
}

/// Does what the parent asks for, or says why it cannot.
fn start<J: Job>(welcome: &Welcome) -> Result<(Terms, J::Context), String> {
    let codec =
        CodecKind::from_number(welcome.codec).map_err(|error| format!("the worker cannot serve: {error}"))?;
    welcome.max_memory.map_or(Ok(()), limit_memory)?;
    let terms = Terms { codec, transport: welcome.transport, max_outcome: welcome.max_outcome };
    Ok((terms, start_context::<J>(codec, &welcome.context)?))
}

/// Limits the worker's memory, unless that would leave it too little to serve: then every job would fail for lack of memory,
/// and take its worker along.
fn limit_memory(bytes: u64) -> Result<(), String> {
    let cannot = |error: io::Error| format!("its memory cannot be limited: {error}");
    // What the system would leave of it.
    let bytes = bytes.min(memory::hard_limit().map_err(cannot)?);
    let needed = memory::in_use().map_err(cannot)? + WORKING_MEMORY;
    if bytes < needed {
        return Err(format!(
            "a memory limit of {bytes} bytes is too low: a worker needs at least {needed} bytes"
        ));
    }
    memory::limit(bytes).map_err(cannot)
}

/// Finishes the worker's state and tells the parent, which may be gone: then nobody wants to know.
pub fn send_report<J: Job>(sender: &dyn PacketSender, codec: CodecKind, context: J::Context) {
    let farewell = match finish_context::<J>(codec, context) {
        Ok(report) => FinalReport::Report(report),
        Err(reason) => FinalReport::Failed(reason),
    };
    let _ = send(sender, pack(&farewell));
}

fn finish_context<J: Job>(codec: CodecKind, context: J::Context) -> Result<Vec<u8>, String> {
    let report = match catch_panic(|| context.finish().map_err(|error| error.to_string())) {
        Ok(finished) => finished?,
        Err(panic) => return Err(format!("panicked: {panic}")),
    };
    let mut bytes = Vec::new();
    codec.encode(&report, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn start_context<J: Job>(codec: CodecKind, args: &[u8]) -> Result<J::Context, String> {
    let args = codec.decode(args).map_err(|error| error.to_string())?;
    match catch_panic(|| J::Context::start(args)) {
        Ok(started) => started.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panicked: {panic}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use wire::memory_pair;

    #[derive(Serialize, Deserialize)]
    struct Nothing;

    impl Job for Nothing {
        const NAME: &'static str = "nothing";
        type Output = ();
        type Error = String;
        type Context = ();

        fn run(self, (): &mut ()) -> Result<(), String> {
            Ok(())
        }
    }

    /// What a worker answers to a welcome with this codec.
    fn answer(codec: u32) -> Started {
        let (parent, worker) = memory_pair();
        let mut context = Vec::new();
        CodecKind::Bincode.encode(&(), &mut context).unwrap();
        send(
            &*parent.sender,
            pack(&Welcome {
                codec,
                transport: Transport::Rings,
                max_memory: None,
                max_outcome: u64::MAX,
                context,
            }),
        )
        .unwrap();
        let introduced =
            handshake::<Nothing>(&mut Inbox::new(worker.receiver), &*worker.sender, &StageTimer::default())
                .unwrap();
        let mut inbox = Inbox::new(parent.receiver);
        let hello: Hello = unpack(&inbox.receive(|| Ok(())).unwrap()).unwrap();
        assert_eq!(hello, Hello::new("nothing"));
        let started = unpack(&inbox.receive(|| Ok(())).unwrap()).unwrap();
        assert_eq!(introduced.is_some(), started == Started::Ready);
        started
    }

    #[test]
    fn a_codec_that_the_worker_does_not_have_is_refused_by_name_or_number() {
        assert_eq!(answer(CodecKind::Bincode.number()), Started::Ready);
        let Started::Failed(reason) = answer(99) else { panic!("it serves") };
        assert_eq!(reason, "the worker cannot serve: there is no codec of number 99");
        #[cfg(not(feature = "codecs"))]
        {
            let Started::Failed(reason) = answer(3) else { panic!("it serves") };
            assert!(reason.contains("the codec `cbor` is not built into this program"), "{reason}");
        }
    }
}
