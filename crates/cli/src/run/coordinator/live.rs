//! What accompanies a run in progress: its reports and its admission control.

use std::sync::Arc;

use console::ExitStatus;

use crate::{
    error::{self, RunError},
    files::AtomicFile,
    plan::Plan,
    report::{MetricsRecorder, MetricsThread, MetricsWriter, Progress, RunView, print_snapshot},
    run::admission::AdmissionThread,
};

/// Reports and admission control of a run in progress.
pub(super) struct Companions {
    view: Arc<RunView>,
    admission: Option<AdmissionThread>,
    progress: Progress,
    metrics: Option<MetricsThread>,
}

impl Companions {
    /// Starts those that the plan asks for, before the first job is read.
    ///
    /// # Errors
    /// If the state of the machine cannot be read, the metrics cannot be written, or a thread cannot be
    /// started.
    pub(super) fn start(
        plan: &Plan,
        view: RunView,
        metrics: Option<(AtomicFile, Arc<MetricsRecorder>)>,
    ) -> Result<Companions, RunError> {
        let view = Arc::new(view);
        let admission = AdmissionThread::start(plan, view.pool.as_ref(), &view.pauses)?;
        let metrics = plan.metrics.as_ref().zip(metrics).map(|(plan, (file, recorder))| {
            let writer = MetricsWriter::new((&plan.path, file), recorder, view.clone());
            MetricsThread::start(writer, plan.interval)
        });
        let metrics = metrics.transpose()?;
        let progress = Progress::start(plan, &view);
        Ok(Companions { view, admission, progress, metrics })
    }

    /// Prints what the run is doing to standard error.
    pub(super) fn print_snapshot(&self) {
        print_snapshot(&self.view);
    }

    /// Ends the progress display and the admission control. Called when all records are written.
    pub(super) fn end_display(&mut self) {
        self.admission = None;
        self.progress.finish();
    }

    /// Writes the final metrics. Called when all workers have exited.
    pub(super) fn finish_metrics(&mut self) -> ExitStatus {
        match self.metrics.take().map(MetricsThread::finish) {
            Some(Err(error)) => {
                error::print(&RunError::WriteMetrics(error));
                ExitStatus::InputOutput
            }
            _ => ExitStatus::Succeeded,
        }
    }
}
