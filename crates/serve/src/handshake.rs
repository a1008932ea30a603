//! The worker's handshake, and its final report.

use std::io;

use job::{Context, Job, Stage};
use sandbox::{Gap, confine_worker};
use sys::{memory, stage_timer::StageTimer};
use wire::{
    Closed, CodecKind, Inbox, Message, PacketSender, Tag, Transport, catch_panic,
    handshake::{FinalReport, Hello, Started, Welcome, pack, unpack},
    send,
    transfer::open_referenced,
};

/// Terms of the link that the parent sets in the handshake.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Encoding of jobs and outcomes.
    pub codec: CodecKind,
    /// Transport of jobs and outcomes.
    pub transport: Transport,
    /// Maximum size of an encoded outcome, in bytes; a job with a larger outcome fails instead.
    pub max_outcome: u64,
    /// Whether a sandbox is in force, so that the worker cannot open files of its parent.
    pub is_sandboxed: bool,
}

/// Address space that a worker needs besides the space in use when it starts, in bytes: for the buffers of
/// the largest packets and batches, and for its stack and heap to grow in small jobs.
const WORKING_MEMORY: u64 = 1 << 20;

/// Sends the hello, starts the job's context and applies the sandbox. Returns `None` if one of these failed;
/// the parent has then been sent the reason.
///
/// # Errors
/// The parent is gone or does not send a valid welcome.
pub fn handshake<J: Job>(
    inbox: &mut Inbox,
    sender: &dyn PacketSender,
    timer: &StageTimer,
) -> Result<Option<(Terms, J::Context)>, Closed> {
    send(sender, pack(&Hello::new(J::NAME)))?;
    let message = inbox.receive(|| send(sender, Message::new(Tag::PartReceived)))?;
    let welcome: Welcome =
        unpack(&message).map_err(|_| Closed::Malformed("a message that is not a welcome"))?;
    timer.enter(Stage::Load);
    let started = start::<J>(&welcome);
    timer.enter(Stage::Start);
    let started = started.and_then(|(terms, context)| {
        let gaps = confine_worker(&welcome.sandbox).map_err(|error| error.to_string())?;
        Ok((terms, context, gaps.iter().map(Gap::to_string).collect()))
    });
    let (reply, agreed) = match started {
        Ok((terms, context, sandbox_gaps)) => (Started::Ready { sandbox_gaps }, Some((terms, context))),
        Err(reason) => (Started::Failed(reason), None),
    };
    send(sender, pack(&reply))?;
    Ok(agreed)
}

/// Applies the parent's settings and starts the context, or returns the reason why it cannot.
fn start<J: Job>(welcome: &Welcome) -> Result<(Terms, J::Context), String> {
    let codec =
        CodecKind::from_number(welcome.codec).map_err(|error| format!("the worker cannot serve: {error}"))?;
    welcome.max_memory.map_or(Ok(()), limit_memory)?;
    let terms = Terms {
        codec,
        transport: welcome.transport,
        max_outcome: welcome.max_outcome,
        is_sandboxed: !welcome.sandbox.is_off(),
    };
    Ok((terms, start_context::<J>(codec, &welcome.context)?))
}

/// Limits the worker's memory, unless too little would be left to serve: then every job would fail for lack
/// of memory and kill its worker.
fn limit_memory(bytes: u64) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot limit the memory of the worker: {error}");
    // The limit that the system would apply.
    let bytes = bytes.min(memory::hard_limit().map_err(failed)?);
    let needed = memory::in_use().map_err(failed)? + WORKING_MEMORY;
    if bytes < needed {
        return Err(format!(
            "a memory limit of {bytes} bytes is too low: a worker needs at least {needed} bytes"
        ));
    }
    memory::limit(bytes).map_err(failed)
}

/// Finishes the job's context and sends its report to the parent. Ignores errors: the parent may be gone.
pub fn send_report<J: Job>(sender: &dyn PacketSender, codec: CodecKind, context: J::Context) {
    let message = match finish_context::<J>(codec, context) {
        Ok(report) => FinalReport::Report(report),
        Err(reason) => FinalReport::Failed(reason),
    };
    let _ = send(sender, pack(&message));
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
    let args = open_referenced(|| codec.decode(args)).map_err(|error| error.to_string())?;
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

    const READY: Started = Started::Ready { sandbox_gaps: Vec::new() };

    /// Returns a worker's reply to a welcome with this codec.
    fn answer(codec: u32) -> Started {
        let (parent, worker) = memory_pair();
        let mut context = Vec::new();
        CodecKind::default().encode(&(), &mut context).unwrap();
        send(
            &*parent.sender,
            pack(&Welcome {
                codec,
                transport: Transport::Rings,
                max_memory: None,
                max_outcome: u64::MAX,
                sandbox: sandbox::Sandbox::off(),
                context,
            }),
        )
        .unwrap();
        let agreed =
            handshake::<Nothing>(&mut Inbox::new(worker.receiver), &*worker.sender, &StageTimer::default())
                .unwrap();
        let mut inbox = Inbox::new(parent.receiver);
        let hello: Hello = unpack(&inbox.receive(|| Ok(())).unwrap()).unwrap();
        assert_eq!(hello, Hello::new("nothing"));
        let started = unpack(&inbox.receive(|| Ok(())).unwrap()).unwrap();
        assert_eq!(agreed.is_some(), started == READY);
        started
    }

    #[test]
    fn rejects_missing_codec_by_name_or_number() {
        assert_eq!(answer(CodecKind::default().number()), READY);
        let Started::Failed(reason) = answer(99) else { panic!("the worker serves") };
        assert_eq!(reason, "the worker cannot serve: unknown codec number 99");
        #[cfg(not(feature = "codecs"))]
        {
            let Started::Failed(reason) = answer(3) else { panic!("the worker serves") };
            assert!(reason.contains("codec `cbor` is not built into this program"), "{reason}");
        }
        #[cfg(not(feature = "bincode"))]
        {
            let Started::Failed(reason) = answer(0) else { panic!("the worker serves") };
            assert!(reason.contains("codec `bincode` is not built into this program"), "{reason}");
        }
    }
}
