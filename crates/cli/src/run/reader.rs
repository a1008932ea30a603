//! Reads jobs and hands them to the executor.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    parsed_chunk::{InvalidLine, LineJob, ParsedChunk, TextParser},
    parsers::Parsers,
};
use crate::{
    args::{ExecutorKind, Format},
    error::{RunError, warn},
    input::{Chunk, ChunkRead, Chunks, Element, Elements, Location, Source, SplitError, Splitter, Texts},
    parse::{ParseError, ParsedJob},
    plan::Plan,
    thread_timers::ThreadTimers,
};

/// How many invalid jobs are named on standard error, unless all or none are wanted.
const MAX_REPORTED: u64 = 10;

/// Reads all sources, one after another.
pub(crate) struct JobReader {
    parser: TextParser,
    format: Format,
    /// The most threads that parse lines beside this one, if that was chosen.
    max_parsers: Option<usize>,
    timers: Arc<ThreadTimers>,
    /// Jobs run while they are passed on, and each may be the last one that is wanted: none is passed on with
    /// others.
    one_at_a_time: bool,
    max_reported: u64,
    invalid_lines: u64,
    /// The last line was the beginning of a JSON value.
    after_unfinished: bool,
    hinted: bool,
    /// The first invalid job is the last one read.
    strict: bool,
    /// Bytes read so far, for whoever wants to know how much is left.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

/// Why reading ended before the end.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// Nobody wants more jobs.
    Closed,
    /// A job was invalid, and all had to be valid.
    InvalidJob,
    Failed(RunError),
}

/// What becomes of the jobs.
pub(crate) trait JobConsumer {
    /// Takes a job, or what is wrong with it, and its text, which is empty if it was too long.
    fn consume(&mut self, job: ReadJob, text: &[u8], file: &str) -> Result<(), ReadEnd>;

    /// Takes valid jobs that follow each other, whose texts are in `bytes`. None is left in `jobs`.
    fn consume_all(&mut self, jobs: &mut Vec<LineJob>, bytes: &[u8], file: &str) -> Result<(), ReadEnd> {
        consume_each(self, jobs, bytes, file)
    }

    /// The input may make us wait.
    fn flush(&mut self) {}

    /// All input has been taken.
    fn finish(&mut self) -> Result<(), ReadEnd> {
        Ok(())
    }
}

/// A job, or what is wrong with it and where.
pub(crate) type ReadJob = Result<ParsedJob, (ParseError, Location)>;

fn consume_each(
    consumer: &mut (impl JobConsumer + ?Sized),
    jobs: &mut Vec<LineJob>,
    bytes: &[u8],
    file: &str,
) -> Result<(), ReadEnd> {
    jobs.drain(..).try_for_each(|job| {
        let text = job.text(bytes);
        consumer.consume(Ok(job.job), text, file)
    })
}

impl JobReader {
    /// An intake that parses lines on one thread.
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
            invalid_lines: 0,
            after_unfinished: false,
            hinted: false,
            strict: plan.strict,
            bytes_read: Arc::default(),
        }
    }

    /// The same, but with other threads that parse, as many as the plan says or as pay off.
    pub(crate) fn with_parsers(self, plan: &Plan, timers: Arc<ThreadTimers>) -> JobReader {
        JobReader { max_parsers: plan.parsers, timers, ..self }
    }

    /// Reads until the end, the first failure, or until no more jobs are wanted.
    pub(crate) fn read_all(
        mut self,
        sources: Vec<Source>,
        consumer: &mut dyn JobConsumer,
    ) -> Result<(), ReadEnd> {
        let mut parsers = Parsers::new(self.parser, self.max_parsers, self.timers.clone());
        sources.into_iter().try_for_each(|source| self.read(source, &mut parsers, consumer))?;
        consumer.finish()
    }

    fn read(
        &mut self,
        mut source: Source,
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
        mut elements: Elements<Source>,
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
        mut chunks: Chunks<Source>,
        parsers: &mut Parsers,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        let (mut recycled, mut end) = (Vec::new(), None);
        loop {
            // What has been read goes on before anything can wait.
            let may_wait = end.is_some() || chunks.may_wait();
            if (may_wait || parsers.is_full())
                && let Some(mut parsed) = parsers.next()
            {
                self.take_chunk(&mut parsed, consumer, name)?;
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

    fn take_chunk(
        &mut self,
        parsed: &mut ParsedChunk,
        consumer: &mut dyn JobConsumer,
        name: &str,
    ) -> Result<(), ReadEnd> {
        let ParsedChunk { chunk, jobs, invalid_lines } = parsed;
        if invalid_lines.is_empty() {
            return self.take_valid(jobs, chunk, consumer, name);
        }
        let (mut jobs, mut group, mut taken) = (jobs.drain(..), Vec::new(), 0);
        for InvalidLine { jobs_before, error, location, text } in invalid_lines.drain(..) {
            group.extend(jobs.by_ref().take(jobs_before - taken));
            taken = jobs_before;
            self.take_valid(&mut group, chunk, consumer, name)?;
            self.consume_invalid((error, location), &chunk.bytes()[text], consumer, name)?;
        }
        group.extend(jobs);
        self.take_valid(&mut group, chunk, consumer, name)
    }

    fn take_valid(
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
        self.report_invalid(&error, location, name);
        self.look_for_spread_out_jobs(&error);
        consumer.consume(Err((error, location)), text, name)?;
        if self.strict { Err(ReadEnd::InvalidJob) } else { Ok(()) }
    }

    fn report_invalid(&mut self, error: &ParseError, location: Location, file: &str) {
        self.invalid_lines += 1;
        if self.invalid_lines <= self.max_reported {
            warn(&format!("{file}, line {}, column {}: {}", location.line, location.column, error.message));
        }
        if self.invalid_lines == self.max_reported.saturating_add(1) && self.max_reported > 0 {
            warn("there are more invalid jobs; --verbose names all");
        }
    }

    /// Looks for jobs that were printed over several lines: a line that begins a value, and one that goes on
    /// with it.
    fn look_for_spread_out_jobs(&mut self, error: &ParseError) {
        let goes_on = self.after_unfinished && error.is_syntax;
        self.after_unfinished = error.is_unfinished;
        if goes_on && !self.hinted && self.max_reported > 0 {
            self.hinted = true;
            warn("one job a line is expected, and these go over several; `jq -c` prints one a line");
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
