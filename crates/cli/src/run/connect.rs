//! Creation of the executor. Connecting to a cluster can be slow and is cancelled by a signal.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread,
};

use nix::sys::signal::{Signal, raise};
use pool::metrics::Observer;

use crate::{
    error::RunError,
    event::RunEvent,
    plan::{Plan, RunExecutor},
};

/// Reason why a run did not start.
pub(super) enum StartError {
    Failed(RunError),
    /// A signal requested the end before the run started.
    Signalled(Signal),
}

impl From<RunError> for StartError {
    fn from(error: RunError) -> StartError {
        StartError::Failed(error)
    }
}

/// Sends [`RunEvent::Connected`] when the connecting thread ends, even by a panic.
struct NotifyOnDrop(Sender<RunEvent>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(RunEvent::Connected);
    }
}

/// Creates the executor. Nothing has been read yet, so the first signal ends the run at once; the connecting
/// thread ends with this process.
pub(super) fn make_executor(
    plan: &Plan,
    observer: Option<Arc<dyn Observer>>,
    (events, receiver): (&Sender<RunEvent>, &Receiver<RunEvent>),
) -> Result<RunExecutor, StartError> {
    let Some(cluster) = plan.cluster.clone() else { return Ok(plan.make_executor(observer)?) };
    let notify = NotifyOnDrop(events.clone());
    let thread = thread::Builder::new().name("runner-connect".into()).spawn(move || {
        let _notify = notify;
        cluster.connect()
    });
    let thread = thread.map_err(RunError::Thread)?;
    loop {
        match receiver.recv() {
            Ok(RunEvent::Signalled(signal)) => return Err(StartError::Signalled(signal)),
            Ok(RunEvent::Suspended) => drop(raise(Signal::SIGSTOP)),
            Ok(RunEvent::Connected) | Err(_) => break,
            // No other thread has been started that could send events.
            Ok(_) => {}
        }
    }
    let executor = thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
    Ok(RunExecutor { executor, pool: None })
}
