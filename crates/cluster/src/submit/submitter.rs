//! Encodes jobs in the threads that push them, and adds them to the submit buffer.

use std::sync::{Arc, atomic::Ordering};

use pool::{
    Job, JobError,
    error::SubmitError,
    settings::JobOptions,
    stream::{Resolved, Sink, Submitter},
};
use wire::CodecKind;

use super::{
    shared::{Command, RunState, resolve},
    submit_buffer::Limits,
};

pub(super) struct ClusterSubmitter<J: Job> {
    shared: Arc<RunState<J>>,
    sink: Arc<dyn Sink<J>>,
    encoded: Vec<u8>,
}

impl<J: Job> ClusterSubmitter<J> {
    pub(super) fn new(shared: Arc<RunState<J>>, sink: Arc<dyn Sink<J>>) -> ClusterSubmitter<J> {
        ClusterSubmitter { shared, sink, encoded: Vec::new() }
    }

    fn reject(&self, tag: u64, failure: JobError<J::Error>) {
        resolve(&*self.sink, vec![Resolved { tag, outcome: Err(failure) }]);
    }
}

impl<J: Job> Submitter<J> for ClusterSubmitter<J> {
    fn push(&mut self, tag: u64, job: J, options: JobOptions) {
        if options.get_max_rss().is_some() || options.get_retries().is_some() {
            let reason = "a memory limit or retries of a single job need a process pool";
            return self.reject(tag, JobError::Unsupported(reason));
        }
        self.encoded.clear();
        if let Err(error) = CodecKind::Bincode.encode(&job, &mut self.encoded) {
            return self.reject(tag, JobError::Codec(error.to_string().into()));
        }
        let limits = Limits { own: options.get_time_limit(), default: self.shared.time_limit };
        let mut buffer = self.shared.buffer.lock();
        if buffer.is_empty() {
            drop(buffer);
            self.shared.wait_for_capacity();
            buffer = self.shared.buffer.lock();
        }
        match self.shared.count_job() {
            Ok(()) => {
                buffer.add(&self.sink, tag, limits, &self.encoded);
                if buffer.is_complete(self.shared.target()) {
                    self.shared.flush(&mut buffer);
                }
            }
            Err(refusal) => {
                drop(buffer);
                let error = match refusal {
                    SubmitError::Broken(cause) => JobError::Broken(cause),
                    _ => JobError::Cancelled,
                };
                self.reject(tag, error);
            }
        }
    }

    /// Requests a flush after a short delay: callers that read their input in pieces flush more often than
    /// messages should be sent.
    fn flush(&mut self) {
        if !self.shared.flushing.swap(true, Ordering::AcqRel) {
            self.shared.command(Command::Flush);
        }
    }

    fn has_capacity(&self) -> bool {
        self.shared.has_capacity()
    }

    fn submit_error(&self) -> Option<SubmitError> {
        self.shared.submit_error()
    }

    /// Requests a cancellation. Jobs in a message with jobs of another sink are not cancelled.
    fn cancel_waiting(&mut self) {
        self.shared.command(Command::CancelWaiting(Some(self.sink.clone()), None));
    }
}

impl<J: Job> Drop for ClusterSubmitter<J> {
    fn drop(&mut self) {
        self.flush();
    }
}
