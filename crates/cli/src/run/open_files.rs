//! Opening of the inputs and outputs of a run.

use std::{fs::File, path::Path};

use crate::{
    error::RunError,
    files::{AtomicFile, CreatedFile, Output, OutputOption, Registry},
    input::{InputSource, open_all},
    plan::Plan,
};

const METRICS: OutputOption = OutputOption { name: "--metrics", content: "metrics" };
const JOURNAL: OutputOption = OutputOption { name: "--journal", content: "journal" };
const OUTPUT: OutputOption = OutputOption { name: "--output", content: "results" };
const STATS_FILE: OutputOption = OutputOption { name: "--stats-file", content: "statistics" };
const TRACE: OutputOption = OutputOption { name: "--trace", content: "timeline" };

/// Inputs and outputs of a run. The outputs keep their contents until they are [committed](Files::commit).
pub(crate) struct Files {
    pub(crate) sources: Vec<InputSource>,
    pub(crate) journal: Option<File>,
    pub(crate) outputs: RunOutputs,
    created_journal: Option<CreatedFile>,
}

/// Outputs of a run, except the journal.
pub(crate) struct RunOutputs {
    pub(crate) results: Output,
    pub(crate) stats: Option<Output>,
    pub(crate) trace: Option<Output>,
    pub(crate) metrics: Option<AtomicFile>,
}

impl Files {
    /// Opens the inputs and outputs of a run.
    ///
    /// # Errors
    /// When a file cannot be opened, or an output is also used otherwise.
    pub(crate) fn open(plan: &Plan) -> Result<Files, RunError> {
        let mut registry = Registry::new();
        for (option, path) in plan.files_read_elsewhere() {
            registry.add_read(option, path)?;
        }
        let sources = open_all(&plan.inputs, &mut registry)?;
        let journal = plan.journal.as_ref().map(|journal| registry.open_journal(JOURNAL, &journal.path));
        let (journal, created_journal) = journal.transpose()?.unzip();
        let results = registry.open_output(OUTPUT, &plan.output)?;
        let mut open = |option, destination: Option<&_>| {
            destination.map(|destination| registry.open_output(option, destination)).transpose()
        };
        let stats = open(STATS_FILE, plan.stats_file.as_ref())?;
        let trace = open(TRACE, plan.trace.as_ref())?;
        let metrics = plan.metrics.as_ref().map(|metrics| open_metrics(&mut registry, &metrics.path));
        let outputs = RunOutputs { results, stats, trace, metrics: metrics.transpose()? };
        Ok(Files { sources, journal, outputs, created_journal: created_journal.flatten() })
    }

    /// Truncates the outputs and keeps the files that were created. Called when the run begins.
    pub(crate) fn commit(mut self) -> Result<(Vec<InputSource>, RunOutputs), RunError> {
        let RunOutputs { results, stats, trace, .. } = &mut self.outputs;
        [results].into_iter().chain(stats).chain(trace).try_for_each(Output::commit)?;
        if let Some(created) = self.created_journal {
            created.keep();
        }
        Ok((self.sources, self.outputs))
    }
}

/// Checks that the file of the metrics has no other use and can be written.
fn open_metrics(registry: &mut Registry, path: &Path) -> Result<AtomicFile, RunError> {
    registry.add_written(METRICS, path)?;
    let failed = |error| RunError::OpenOutput { path: path.to_owned(), content: METRICS.content, error };
    AtomicFile::new(path).map_err(failed)
}
