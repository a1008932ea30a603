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

use super::News;
use crate::{error::RunError, plan::Plan};

/// Why a run has not begun.
pub(super) enum NotBegun {
    Failed(RunError),
    /// Somebody wanted it to end before.
    Signalled(Signal),
}

impl From<RunError> for NotBegun {
    fn from(error: RunError) -> NotBegun {
        NotBegun::Failed(error)
    }
}

/// Tells that the thread that connects is done, however it ends.
struct Done(Sender<News>);

impl Drop for Done {
    fn drop(&mut self) {
        let _ = self.0.send(News::Connected);
    }
}

/// Makes the executor that was asked for. Nothing has been read yet, so the first signal ends the run at once: whatever
/// connects ends with this process.
pub(super) fn make_executor(
    plan: &Plan,
    observer: Option<Arc<dyn Observer>>,
    (news, heard): (&Sender<News>, &Receiver<News>),
) -> Result<Arc<dyn Executor<Builtin>>, NotBegun> {
    let Some(connect) = plan.connecting() else { return Ok(plan.make_executor(observer)?) };
    let done = Done(news.clone());
    let connecting = thread::Builder::new().name("runner-connect".into()).spawn(move || {
        let _done = done;
        connect()
    });
    let connecting = connecting.map_err(RunError::Thread)?;
    loop {
        match heard.recv() {
            Ok(News::Signalled(signal)) => return Err(NotBegun::Signalled(signal)),
            Ok(News::Suspended) => drop(raise(Signal::SIGSTOP)),
            Ok(News::Connected) | Err(_) => break,
            // Nobody else is at work yet.
            Ok(_) => {}
        }
    }
    Ok(connecting.join().unwrap_or_else(|panic| resume_unwind(panic))?)
}
