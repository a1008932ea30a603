//! Making the executor. A cluster may take its time to answer, and a signal ends that.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread,
};

use nix::sys::signal::{Signal, raise};
use ops::Builtin;
use pool::{Executor, Observer};

use super::RunEvent;
use crate::{error::RunError, plan::Plan};

/// Why a run has not prepared.
pub(super) enum StartError {
    Failed(RunError),
    /// Somebody wanted it to end before.
    Signalled(Signal),
}

impl From<RunError> for StartError {
    fn from(error: RunError) -> StartError {
        StartError::Failed(error)
    }
}

/// Tells that the thread that connects is done, however it ends.
struct Done(Sender<RunEvent>);

impl Drop for Done {
    fn drop(&mut self) {
        let _ = self.0.send(RunEvent::Connected);
    }
}

/// Makes the executor that was asked for. Nothing has been read yet, so the first signal ends the run at
/// once: whatever connects ends with this process.
pub(super) fn make_executor(
    plan: &Plan,
    observer: Option<Arc<dyn Observer>>,
    (events, receiver): (&Sender<RunEvent>, &Receiver<RunEvent>),
) -> Result<Arc<dyn Executor<Builtin>>, StartError> {
    let Some(connect) = plan.connector() else { return Ok(plan.make_executor(observer)?) };
    let done = Done(events.clone());
    let connecting = thread::Builder::new().name("runner-connect".into()).spawn(move || {
        let _done = done;
        connect()
    });
    let connecting = connecting.map_err(RunError::Thread)?;
    loop {
        match receiver.recv() {
            Ok(RunEvent::Signalled(signal)) => return Err(StartError::Signalled(signal)),
            Ok(RunEvent::Suspended) => drop(raise(Signal::SIGSTOP)),
            Ok(RunEvent::Connected) | Err(_) => break,
            // Nobody else is at work yet.
            Ok(_) => {}
        }
    }
    Ok(connecting.join().unwrap_or_else(|panic| resume_unwind(panic))?)
}
