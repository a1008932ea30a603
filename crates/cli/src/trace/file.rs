//! The file of a timeline: a JSON object, as viewers of trace events read it.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufWriter, Write},
    sync::Arc,
};

use pool::Observer;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{book::Book, event::Event, lanes::events, recorder::Recorder};

/// The most slices of a timeline: a file of up to some 45 MB, which viewers still take with ease.
const MOST_SLICES: usize = 200_000;

/// A timeline that is to be written at the end of the run.
#[derive(Debug)]
pub(crate) struct Timeline {
    recorder: Arc<Recorder>,
}

impl Timeline {
    /// Starts an empty timeline.
    pub(crate) fn start() -> Timeline {
        Timeline { recorder: Arc::new(Recorder::new(sys::clock::now(), MOST_SLICES)) }
    }

    /// Who is to hear what happens in the pool.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        self.recorder.clone()
    }

    /// Writes the file.
    pub(crate) fn write(&self, file: &File) -> io::Result<()> {
        self.recorder.look(|book| write(book, file))
    }
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
        "batches": book.batches,
        "batches_shown_one_of": sampling.batches(),
        "jobs_shown_in_one_batch_of": sampling.jobs(),
        "most_slices": sampling.most(),
        "sampling": "shown are batches whose number is a multiple of `batches_shown_one_of`, with their single jobs if it is one \
                     of `jobs_shown_in_one_batch_of`; starts, ends, restarts, recalls and batches in which a worker died are all \
                     shown; counters are exact where they are shown",
    })
}
