//! Guards against panics: a panic in any thread or task of a submitter ends its run, and leaves nothing
//! waiting.
//!
//! A panic can lose a message, or end the thread or task that something else waits for. Therefore a
//! [`JobMessage`](super::shared::JobMessage) that is dropped gives its jobs an outcome and breaks the run, an
//! [`EndGuard`] publishes the end of the coordinator's thread, and a panic in a task becomes an event.

use std::{future::Future, sync::Arc, thread};

use pool::{Job, JobError};
use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};

use super::{
    event::Event,
    shared::{Command, RunState},
};
use crate::Error;

/// Publishes the end of the coordinator's thread when it is dropped, also by a panic.
///
/// It must be dropped before the receiver of the commands: after [`RunState::set_broken`] no job is accepted,
/// and jobs that were accepted before are in the open message or among the commands.
pub(super) struct EndGuard<J: Job>(pub(super) Arc<RunState<J>>);

impl<J: Job> Drop for EndGuard<J> {
    fn drop(&mut self) {
        let EndGuard(shared) = self;
        if thread::panicking() {
            let cause = shared.set_broken(&Error::Panicked);
            if let Some(open) = shared.take_open_batch() {
                open.fail(|| JobError::Broken(cause.clone()));
            }
        }
        shared.mark_ended();
    }
}

/// Ends the run if the thread of the decoder panics.
pub(super) struct DecoderGuard<J: Job>(pub(super) Arc<RunState<J>>);

impl<J: Job> Drop for DecoderGuard<J> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.command(Command::Fail(Error::Panicked));
        }
    }
}

/// Sends an event if its task panics.
struct TaskGuard(UnboundedSender<Event>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Event::Failed(Error::Panicked));
        }
    }
}

/// Spawns a task of a submitter. If it panics, the run fails.
pub(super) fn spawn(
    events: &UnboundedSender<Event>,
    task: impl Future<Output = ()> + Send + 'static,
) -> AbortHandle {
    let guard = TaskGuard(events.clone());
    let guarded = async move {
        let _guard = guard;
        task.await;
    };
    tokio::spawn(guarded).abort_handle()
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use bytes::Bytes;
    use parking_lot::Mutex;
    use pool::{
        settings::JobOptions,
        stream::{Resolved, Sink, Submitter},
    };
    use serde::{Deserialize, Serialize};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::{
        names::Span,
        submit::{
            shared::JobMessage,
            submit_buffer::{Owner, PackedJobs},
            submitter::ClusterSubmitter,
        },
    };

    #[derive(Serialize, Deserialize)]
    struct Nothing;

    impl Job for Nothing {
        const NAME: &'static str = "nothing";
        type Output = ();
        type Error = ();
        type Context = ();

        fn run(self, (): &mut ()) -> Result<(), ()> {
            Ok(())
        }
    }

    /// Collects the tags of jobs that were abandoned.
    #[derive(Default)]
    struct Abandoned(Mutex<Vec<u64>>);

    impl Sink<Nothing> for Abandoned {
        fn resolve(&self, resolved: Vec<Resolved<Nothing>>) {
            let is_abandoned = |one: &Resolved<_>| matches!(one.outcome, Err(JobError::Broken(_)));
            self.0.lock().extend(resolved.iter().filter(|one| is_abandoned(one)).map(|one| one.tag));
        }
    }

    type Fixture = (Arc<RunState<Nothing>>, UnboundedReceiver<Command<Nothing>>, Arc<Abandoned>);

    fn fixture() -> Fixture {
        let (commands, received) = unbounded_channel();
        (RunState::new(None, commands), received, Arc::default())
    }

    fn push(shared: &Arc<RunState<Nothing>>, sink: &Arc<Abandoned>, tags: std::ops::Range<u64>) {
        let mut submitter = ClusterSubmitter::new(shared.clone(), sink.clone());
        tags.for_each(|tag| submitter.push(tag, Nothing, JobOptions::default()));
    }

    #[test]
    fn a_message_that_is_dropped_abandons_its_jobs_and_breaks_the_run() {
        let (shared, _commands, sink) = fixture();
        let owners = vec![Owner { sink: sink.clone() as Arc<dyn Sink<Nothing>>, tags: vec![7, 8] }];
        let span = Span { first: 0, count: 2 };
        let jobs = PackedJobs { span, payload: Bytes::new(), digest: String::new(), owners };
        drop(JobMessage::new(&shared, jobs));
        assert_eq!(*sink.0.lock(), [7, 8]);
        assert!(shared.broken().is_some_and(|cause| cause.contains("panicked")));
    }

    #[test]
    fn a_panic_of_the_coordinator_leaves_no_job_without_an_outcome() {
        let (shared, commands, sink) = fixture();
        // The first message has four jobs, and two are in the open one.
        push(&shared, &sink, 0..6);
        let thread = shared.clone();
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _commands = commands;
            let _guard = EndGuard(thread);
            panic!("the coordinator panics");
        }));
        assert!(panicked.is_err());
        let mut tags = sink.0.lock().clone();
        tags.sort_unstable();
        assert_eq!(tags, [0, 1, 2, 3, 4, 5]);
        assert!(shared.wait_for_end(Duration::ZERO) && shared.is_over());
    }

    #[test]
    fn a_panic_in_the_decoder_or_in_a_task_fails_the_run() {
        let (shared, mut commands, _) = fixture();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = DecoderGuard(shared);
            panic!("the decoder panics");
        }));
        assert!(panicked.is_err());
        assert!(matches!(commands.try_recv(), Ok(Command::Fail(Error::Panicked))));
        let (events, mut received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            spawn(&events, async { panic!("a task panics") });
            assert!(matches!(received.recv().await, Some(Event::Failed(Error::Panicked))));
            // A task that ends or is aborted does not fail the run.
            spawn(&events, async {});
            spawn(&events, std::future::pending()).abort();
            tokio::task::yield_now().await;
        });
        assert!(received.try_recv().is_err());
    }
}
