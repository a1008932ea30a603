//! The file of a timeline: a JSON object, as viewers of trace events read it.

use std::{
    cell::Cell,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use pool::Observer;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{book::Book, event::Event, lanes::events, recorder::Recorder};
use crate::{error::RunError, input::Source, output::is_same_file, plan::Plan};

/// The most slices of a timeline: a file of up to some 45 MB, which viewers still take with ease.
const MOST_SLICES: usize = 200_000;

/// A timeline that is to be written at the end of the run.
#[derive(Debug)]
pub(crate) struct Timeline {
    file: File,
    recorder: Arc<Recorder>,
}

impl Timeline {
    /// Opens the file that the plan asks for, if it does. Comes before the results' file is opened, which destroys what is in
    /// it, and refuses a file that is read from or written to otherwise.
    pub(crate) fn open(plan: &Plan, sources: &[Source]) -> Result<Option<Timeline>, RunError> {
        let Some(path) = &plan.trace else { return Ok(None) };
        if is_used(path, plan, sources) {
            return Err(RunError::TraceIsUsed { path: path.clone() });
        }
        let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        let file = opened.map_err(|error| RunError::OpenTrace { path: path.clone(), error })?;
        let recorder = Arc::new(Recorder::new(sys::clock::now(), MOST_SLICES));
        Ok(Some(Timeline { file, recorder }))
    }

    /// Who is to hear what happens in the pool.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        self.recorder.clone()
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> io::Result<()> {
        self.recorder.look(|book| write(book, &self.file))
    }
}

fn is_used(path: &Path, plan: &Plan, sources: &[Source]) -> bool {
    let journal = plan.journal.as_ref().map(|journal| &journal.path);
    let others = || plan.output.iter().chain(&plan.stats_file).chain(journal);
    let Some(metadata) = path.metadata().ok() else { return others().any(|other| other == path) };
    let written = others().filter_map(|other| other.metadata().ok());
    metadata.is_file()
        && sources
            .iter()
            .filter_map(Source::metadata)
            .chain(written)
            .any(|other| is_same_file(&other, &metadata))
}

/// Event by event: the whole text may be much larger than what it is made of.
fn write(book: &Book, file: impl Write) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let runner = std::process::id();
    serde_json::to_writer(
        &mut file,
        &Whole {
            trace_events: Stream(Cell::new(Some(events(book, runner)))),
            display_time_unit: "ns",
            other_data: about(book),
        },
    )?;
    file.write_all(b"\n")?;
    file.flush()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<E: Serialize> {
    trace_events: E,
    display_time_unit: &'static str,
    other_data: Value,
}

/// Events that are written as they are made, once.
struct Stream<I>(Cell<Option<I>>);

impl<'a, I: Iterator<Item = Event<'a>>> Serialize for Stream<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.take().into_iter().flatten())
    }
}

/// What there is to know about the whole file, above all what is not in it.
fn about(book: &Book) -> Value {
    let sampling = &book.sampling;
    json!({
        "program": concat!("runner ", env!("CARGO_PKG_VERSION")),
        "clock": "CLOCK_MONOTONIC",
        "start_ns": book.start.0,
        "frames": book.frames,
        "frames_shown_one_of": sampling.frames(),
        "jobs_shown_in_one_frame_of": sampling.jobs(),
        "most_slices": sampling.most(),
        "sampling": "shown are frames whose number is a multiple of `frames_shown_one_of`, with their single jobs if it is one \
                     of `jobs_shown_in_one_frame_of`; starts, ends, restarts, recalls and frames in which a worker died are all \
                     shown; counters are exact where they are shown",
    })
}
