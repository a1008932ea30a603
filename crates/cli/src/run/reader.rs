//! Reads jobs and passes them to a consumer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    consumer::{JobConsumer, ReadEnd, consume_each},
    parsed_chunk::{InvalidLine, LineJob, ParsedChunk, TextParser},
    parsers::Parsers,
};
use crate::{
    args::{ExecutorKind, Format},
    error::{RunError, warn},
    input::{
        Chunk, ChunkRead, Chunks, Element, Elements, InputSource, Location, SplitError, Splitter, Texts,
    },
    parse::ParseError,
    plan::Plan,
    thread_timers::ThreadTimers,
};

/// Number of invalid jobs reported on standard error by default.
const MAX_REPORTED: u64 = 10;

/// Reads all sources, one after another.
pub(crate) struct JobReader {
    parser: TextParser,
    format: Format,
    /// Maximum number of parser threads besides this one; `None` chooses by the number of cores.
    max_parsers: Option<usize>,
    timers: Arc<ThreadTimers>,
    /// Whether jobs are consumed one at a time: with the serial executor each job runs while it is submitted,
    /// and any job may be the last one wanted.
    one_at_a_time: bool,
    max_reported: u64,
    invalid_jobs: u64,
    /// Whether the last line was an incomplete JSON value.
    after_unfinished: bool,
    hinted: bool,
    /// Whether reading ends at the first invalid job.
    strict: bool,
    /// Number of bytes read so far, from which the progress bar estimates the total.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

impl JobReader {
    /// Creates a reader that parses on the calling thread only.
    pub(crate) fn new(plan: &Plan) -> JobReader {
        JobReader {
            parser: TextParser { parse_options: plan.parse_options, max_job_size: plan.max_job_size },
            format: plan.format,
            max_parsers: Some(0),
            timers: ThreadTimers::new(0),
            one_at_a_time: plan.executor == ExecutorKind::Serial,
            max_reported: match (plan.quiet, plan.verbose) {
                (true, _) => 0,
                (_, true) => u64::MAX,
                _ => MAX_REPORTED,
            },
            invalid_jobs: 0,
            after_unfinished: false,
            hinted: false,
            strict: plan.strict,
            bytes_read: Arc::default(),
        }
    }

    /// Enables parser threads: the number that the plan sets, or a suitable one.
    pub(crate) fn with_parsers(self, plan: &Plan, timers: Arc<ThreadTimers>) -> JobReader {
        JobReader { max_parsers: plan.parsers, timers, ..self }
    }

    /// Reads until the end of the input, the first failure, or until no more jobs are accepted.
    pub(crate) fn read_all(
        mut self,
        sources: Vec<InputSource>,
        consumer: &mut dyn JobConsumer,
    ) -> Result<(), ReadEnd> {
        let mut parsers = Parsers::new(self.parser, self.max_parsers, self.timers.clone());
        sources.into_iter().try_for_each(|source| self.read(source, &mut parsers, consumer))?;
        consumer.finish()
    }

    fn read(
        &mut self,
        mut source: InputSource,
        parsers: &mut Parsers,
        consumer: &mut dyn JobConsumer,
    ) -> Result<(), ReadEnd> {
        if source.may_block() {
            consumer.flush();
        }
        source.open().map_err(ReadEnd::Failed)?;
        let name = source.name.clone();
        let TextParser { parse_options, max_job_size } = self.parser;
        let splitter = match parse_options.each {
            Some(op) => Splitter::whole_lines(source, op.delimiter, max_job_size),
            None => Splitter::new(source, self.format, parse_options.default_op.is_some(), max_job_size),
        };
        match splitter.texts(&mut || consumer.flush()).map_err(|error| failed(error, &name))? {
            Texts::Elements(elements) => self.read_elements(elements, consumer, &name),
            Texts::Chunks(chunks) => self.read_lines(chunks, parsers, consumer, &name),
        }
    }

    fn read_elements(
        &mut self,
        mut elements: Elements<InputSource>,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        loop {
            self.bytes_read.store(before + elements.total_read(), Ordering::Relaxed);
            let next = elements.next(&mut || consumer.flush()).map_err(|error| failed(error, name))?;
            let (text, location, parsed) = match next {
                None => return Ok(()),
                Some(Element::TooLong { location }) => (&[][..], location, Err(self.parser.too_long())),
                Some(Element::Text { text, location }) => (text, location, self.parser.parse(text)),
            };
            match parsed {
                Ok(job) => {
                    self.after_unfinished = false;
                    consumer.consume(Ok(job), text, name)?;
                }
                Err(error) => {
                    let location = location.inside(text, error.offset);
                    if error.is_syntax {
                        return Err(failed(SplitError::Syntax { location, message: error.message }, name));
                    }
                    self.consume_invalid((error, location), text, consumer, name)?;
                }
            }
        }
    }

    fn read_lines(
        &mut self,
        mut chunks: Chunks<InputSource>,
        parsers: &mut Parsers,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        let (mut recycled, mut end) = (Vec::new(), None);
        loop {
            // Pass on what has been read before anything can block.
            let may_wait = end.is_some() || chunks.may_wait();
            if (may_wait || parsers.is_full())
                && let Some(mut parsed) = parsers.next()
            {
                self.consume_chunk(&mut parsed, consumer, name)?;
                recycled = parsers.recycle(parsed);
                continue;
            }
            if let Some(end) = end {
                return end;
            }
            if may_wait {
                consumer.flush();
            }
            match chunks.next(&mut recycled) {
                Ok(ChunkRead::Chunk(chunk)) => parsers.add(chunk),
                Ok(ChunkRead::Incomplete) => {}
                Ok(ChunkRead::End) => end = Some(Ok(())),
                Err(error) => end = Some(Err(failed(error, name))),
            }
            self.bytes_read.store(before + chunks.total_read(), Ordering::Relaxed);
        }
    }

    fn consume_chunk(
        &mut self,
        parsed: &mut ParsedChunk,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let ParsedChunk { chunk, jobs, invalid_lines } = parsed;
        if invalid_lines.is_empty() {
            return self.consume_valid(jobs, chunk, consumer, name);
        }
        let (mut jobs, mut group, mut taken) = (jobs.drain(..), Vec::new(), 0);
        for InvalidLine { jobs_before, error, location, text } in invalid_lines.drain(..) {
            group.extend(jobs.by_ref().take(jobs_before - taken));
            taken = jobs_before;
            self.consume_valid(&mut group, chunk, consumer, name)?;
            self.consume_invalid((error, location), &chunk.bytes()[text], consumer, name)?;
        }
        group.extend(jobs);
        self.consume_valid(&mut group, chunk, consumer, name)
    }

    fn consume_valid(
        &mut self,
        jobs: &mut Vec<LineJob>,
        chunk: &Chunk,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.after_unfinished = false;
        if self.one_at_a_time {
            return consume_each(consumer, jobs, chunk.bytes(), name);
        }
        consumer.consume_all(jobs, chunk.bytes(), name)
    }

    fn consume_invalid(
        &mut self,
        (error, location): (ParseError, Location),
        text: &[u8],
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let reported = error.clone();
        consumer.consume(Err((error, location)), text, name)?;
        // Not before the consumer has taken it: a job without a record is not reported.
        self.report_invalid(&reported, location, name);
        self.hint_at_multiline_jobs(&reported);
        if self.strict { Err(ReadEnd::InvalidJob) } else { Ok(()) }
    }

    fn report_invalid(&mut self, error: &ParseError, location: Location, file: &str) {
        self.invalid_jobs += 1;
        if self.invalid_jobs <= self.max_reported {
            warn(&format!("{file}, line {}, column {}: {}", location.line, location.column, error.message));
        }
        if self.invalid_jobs == self.max_reported.saturating_add(1) && self.max_reported > 0 {
            warn("more jobs are invalid; --verbose reports all of them");
        }
    }

    /// Prints a hint if jobs seem to span several lines: a line starts a JSON value and the next one
    /// continues it.
    fn hint_at_multiline_jobs(&mut self, error: &ParseError) {
        let continues = self.after_unfinished && error.is_syntax;
        self.after_unfinished = error.is_unfinished;
        if continues && !self.hinted && self.max_reported > 0 {
            self.hinted = true;
            warn("expected one job a line, but jobs span several lines; `jq -c` prints one a line");
        }
    }
}

fn failed(error: SplitError, name: &str) -> ReadEnd {
    let name = name.to_owned();
    ReadEnd::Failed(match error {
        SplitError::Io(error) => RunError::ReadInput { name, error },
        SplitError::NotAnArray => RunError::NotAnArray { name },
        SplitError::Utf16 => RunError::Utf16 { name },
        SplitError::Syntax { location: Location { line, column }, message } => {
            RunError::Syntax { name, line, column, message }
        }
    })
}
