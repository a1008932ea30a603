//! Writes a timeline as a JSON object in the trace-event format.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufWriter, Write},
    sync::Arc,
};

use pool::metrics::Observer;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{event::Event, recorder::TraceRecorder, timeline::TimelineData, tracks::events};

/// Limit of slices in a timeline: a file of up to about 45 MB, which viewers load without difficulty.
const MAX_SLICES: usize = 200_000;

/// A timeline that is recorded during a run and written at its end.
///
/// Its memory is bounded: of long runs it keeps some of the batches, from start to end (see `sampling`).
#[derive(Debug)]
pub struct Timeline {
    recorder: Arc<TraceRecorder>,
}

impl Timeline {
    /// Starts an empty timeline; its times count from now.
    #[must_use]
    pub fn start() -> Timeline {
        Timeline { recorder: Arc::new(TraceRecorder::new(sys::clock::now(), MAX_SLICES)) }
    }

    /// Returns the observer to register with the pool.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.recorder.clone()
    }

    /// Writes the timeline as one JSON object.
    ///
    /// # Errors
    /// If writing to the file fails.
    pub fn write(&self, file: &File) -> io::Result<()> {
        self.recorder.with_data(|data| write(data, file))
    }
}

/// Serializes event by event, because the whole text may be much larger than the recorded data.
fn write(data: &TimelineData, file: impl Write) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let runner = std::process::id();
    serde_json::to_writer(
        &mut file,
        &TraceFile {
            trace_events: EventStream(Cell::new(Some(events(data, runner)))),
            display_time_unit: "ns",
            other_data: about(data),
        },
    )?;
    file.write_all(b"\n")?;
    file.flush()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TraceFile<E: Serialize> {
    trace_events: E,
    display_time_unit: &'static str,
    other_data: Value,
}

/// An iterator of events that is consumed by serializing it once.
struct EventStream<I>(Cell<Option<I>>);

impl<'a, I: Iterator<Item = Event<'a>>> Serialize for EventStream<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.take().into_iter().flatten())
    }
}

/// Information about the file: the program, the clock, and the sampling of events.
fn about(data: &TimelineData) -> Value {
    let sampling = &data.sampling;
    json!({
        "program": concat!("runner ", env!("CARGO_PKG_VERSION")),
        "clock": "CLOCK_MONOTONIC",
        "start_ns": data.start.0,
        "batches": data.batches,
        "batches_shown_one_of": sampling.batches(),
        "jobs_shown_in_one_batch_of": sampling.jobs(),
        "most_slices": sampling.max_slices(),
        "sampling": "batches are shown if their number is a multiple of `batches_shown_one_of`, with their \
                     single jobs if it is a multiple of `jobs_shown_in_one_batch_of`; starts, exits, \
                     restarts, recalls and batches in which a worker exited are always shown; counters are \
                     exact where they are shown",
    })
}
