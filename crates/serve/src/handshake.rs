//! The worker's first words, and its last.

use job::{Context, Job, Stage};
use sys::{lane::Lane, memory};
use wire::{
    Closed, CodecKind, Inbox, Message, PacketSender, Tag, catch_panic,
    handshake::{Farewell, Hello, Started, Welcome, pack, unpack},
    send_in_parts,
};

/// Introduces the worker and makes its state; `None` if the state could not be made, which the parent then knows.
///
/// # Errors
/// When the parent is gone or says something else.
pub fn introduce<J: Job>(
    inbox: &mut Inbox,
    sender: &dyn PacketSender,
    lane: &Lane,
) -> Result<Option<(CodecKind, J::Context)>, Closed> {
    send_in_parts(sender, &pack(&Hello::new(J::NAME)))?;
    let message = inbox.receive(|| send_in_parts(sender, &Message::new(Tag::PartTaken)))?;
    let welcome: Welcome = unpack(&message).map_err(|_| Closed::Garbled("no welcome"))?;
    lane.enter(Stage::Load);
    let limited = welcome.max_memory.map_or(Ok(()), memory::limit);
    let started = match limited {
        Ok(()) => start_context::<J>(&welcome),
        Err(error) => Err(format!("its memory cannot be limited: {error}")),
    };
    lane.enter(Stage::Start);
    let said = match &started {
        Ok(_) => Started::Ready,
        Err(reason) => Started::Failed(reason.clone()),
    };
    send_in_parts(sender, &pack(&said))?;
    Ok(started.ok().map(|context| (welcome.codec, context)))
}

/// Finishes the worker's state and tells the parent, which may be gone: then nobody wants to know.
pub fn say_farewell<J: Job>(sender: &dyn PacketSender, codec: CodecKind, context: J::Context) {
    let farewell = match finish_context::<J>(codec, context) {
        Ok(report) => Farewell::Report(report),
        Err(reason) => Farewell::Failed(reason),
    };
    let _ = send_in_parts(sender, &pack(&farewell));
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

fn start_context<J: Job>(welcome: &Welcome) -> Result<J::Context, String> {
    let args = welcome.codec.decode(&welcome.context).map_err(|error| error.to_string())?;
    match catch_panic(|| J::Context::start(args)) {
        Ok(started) => started.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("panicked: {panic}")),
    }
}
