//! Reads jobs and hands them to the executor.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    parsed::{FlawedLine, LineJob, ParsedChunk, TextParser},
    parsers::Parsers,
};
use crate::{
    args::{ExecutorKind, Format},
    error::{RunError, warn},
    input::{Chunk, Chunks, Elements, Next, Piece, Place, Source, SplitError, Splitter, Texts},
    lanes::Lanes,
    parse::{Flaw, ParsedJob},
    plan::Plan,
};

/// How many invalid jobs are named on standard error, unless all or none are wanted.
const NAMED_FLAWS: u64 = 10;

/// Reads all sources, one after another.
pub(crate) struct Intake {
    parser: TextParser,
    format: Format,
    /// The most threads that parse lines beside this one, if that was chosen.
    max_parsers: Option<usize>,
    lanes: Arc<Lanes>,
    /// Jobs run while they are passed on, and each may be the last one that is wanted: none is passed on with others.
    one_by_one: bool,
    name_flaws: u64,
    flaws: u64,
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
pub(crate) enum IntakeEnd {
    /// Nobody wants more jobs.
    NotWanted,
    /// A job was invalid, and all had to be valid.
    Invalid,
    Failed(RunError),
}

/// What becomes of the jobs.
pub(crate) trait Taker {
    /// Takes a job, or what is wrong with it, and its text, which is empty if it was too long.
    fn take(&mut self, job: TakenJob, text: &[u8], file: &str) -> Result<(), IntakeEnd>;

    /// Takes valid jobs that follow each other, whose texts are in `bytes`. None is left in `jobs`.
    fn take_all(&mut self, jobs: &mut Vec<LineJob>, bytes: &[u8], file: &str) -> Result<(), IntakeEnd> {
        take_each(self, jobs, bytes, file)
    }

    /// The input may make us wait.
    fn flush(&mut self) {}

    /// All input has been taken.
    fn finish(&mut self) -> Result<(), IntakeEnd> {
        Ok(())
    }
}

/// A job, or what is wrong with it and where.
pub(crate) type TakenJob = Result<ParsedJob, (Flaw, Place)>;

fn take_each(
    taker: &mut (impl Taker + ?Sized),
    jobs: &mut Vec<LineJob>,
    bytes: &[u8],
    file: &str,
) -> Result<(), IntakeEnd> {
    jobs.drain(..).try_for_each(|job| {
        let text = job.text(bytes);
        taker.take(Ok(job.job), text, file)
    })
}

impl Intake {
    /// An intake that parses lines on one thread.
    pub(crate) fn new(plan: &Plan) -> Intake {
        Intake {
            parser: TextParser { rules: plan.rules, max_job_size: plan.max_job_size },
            format: plan.format,
            max_parsers: Some(0),
            lanes: Lanes::new(0),
            one_by_one: plan.executor == ExecutorKind::Serial,
            name_flaws: match (plan.quiet, plan.verbose) {
                (true, _) => 0,
                (_, true) => u64::MAX,
                _ => NAMED_FLAWS,
            },
            flaws: 0,
            after_unfinished: false,
            hinted: false,
            strict: plan.strict,
            bytes_read: Arc::default(),
        }
    }

    /// The same, but with other threads that parse, as many as the plan says or as pay off.
    pub(crate) fn with_parsers(self, plan: &Plan, lanes: Arc<Lanes>) -> Intake {
        Intake { max_parsers: plan.parsers, lanes, ..self }
    }

    /// Reads until the end, the first failure, or until no more jobs are wanted.
    pub(crate) fn read_all(mut self, sources: Vec<Source>, taker: &mut dyn Taker) -> Result<(), IntakeEnd> {
        let mut parsers = Parsers::new(self.parser, self.max_parsers, self.lanes.clone());
        sources.into_iter().try_for_each(|source| self.read(source, &mut parsers, taker))?;
        taker.finish()
    }

    fn read(
        &mut self,
        mut source: Source,
        parsers: &mut Parsers,
        taker: &mut dyn Taker,
    ) -> Result<(), IntakeEnd> {
        if source.may_block() {
            taker.flush();
        }
        source.open().map_err(IntakeEnd::Failed)?;
        let name = source.name.clone();
        let TextParser { rules, max_job_size } = self.parser;
        let splitter = match rules.each {
            Some(op) => Splitter::whole_lines(source, op.delimiter, max_job_size),
            None => Splitter::new(source, self.format, rules.default_op.is_some(), max_job_size),
        };
        match splitter.texts(&mut || taker.flush()).map_err(|error| failed(error, &name))? {
            Texts::Elements(elements) => self.read_elements(elements, taker, &name),
            Texts::Chunks(chunks) => self.read_lines(chunks, parsers, taker, &name),
        }
    }

    fn read_elements(
        &mut self,
        mut elements: Elements<Source>,
        taker: &mut dyn Taker,
        name: &str,
    ) -> Result<(), IntakeEnd> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        loop {
            self.bytes_read.store(before + elements.total_read(), Ordering::Relaxed);
            let next = elements.next(&mut || taker.flush()).map_err(|error| failed(error, name))?;
            let (text, place, parsed) = match next {
                None => return Ok(()),
                Some(Piece::TooLong { place }) => (&[][..], place, Err(self.parser.too_long())),
                Some(Piece::Text { text, place }) => (text, place, self.parser.parse(text)),
            };
            match parsed {
                Ok(job) => {
                    self.after_unfinished = false;
                    taker.take(Ok(job), text, name)?;
                }
                Err(flaw) => {
                    let place = place.inside(text, flaw.offset);
                    if flaw.is_syntax {
                        return Err(failed(SplitError::Syntax { place, message: flaw.message }, name));
                    }
                    self.take_flaw((flaw, place), text, taker, name)?;
                }
            }
        }
    }

    fn read_lines(
        &mut self,
        mut chunks: Chunks<Source>,
        parsers: &mut Parsers,
        taker: &mut dyn Taker,
        name: &str,
    ) -> Result<(), IntakeEnd> {
        let before = self.bytes_read.load(Ordering::Relaxed);
        let (mut recycled, mut end) = (Vec::new(), None);
        loop {
            // What has been read goes on before anything can wait.
            let may_wait = end.is_some() || chunks.may_wait();
            if (may_wait || parsers.is_full())
                && let Some(mut parsed) = parsers.next()
            {
                self.take_chunk(&mut parsed, taker, name)?;
                recycled = parsers.recycle(parsed);
                continue;
            }
            if let Some(end) = end {
                return end;
            }
            if may_wait {
                taker.flush();
            }
            match chunks.next(&mut recycled) {
                Ok(Next::Chunk(chunk)) => parsers.add(chunk),
                Ok(Next::Incomplete) => {}
                Ok(Next::End) => end = Some(Ok(())),
                Err(error) => end = Some(Err(failed(error, name))),
            }
            self.bytes_read.store(before + chunks.total_read(), Ordering::Relaxed);
        }
    }

    fn take_chunk(
        &mut self,
        parsed: &mut ParsedChunk,
        taker: &mut dyn Taker,
        name: &str,
    ) -> Result<(), IntakeEnd> {
        let ParsedChunk { chunk, jobs, flaws } = parsed;
        if flaws.is_empty() {
            return self.take_valid(jobs, chunk, taker, name);
        }
        let (mut jobs, mut group, mut taken) = (jobs.drain(..), Vec::new(), 0);
        for FlawedLine { jobs_before, flaw, place, text } in flaws.drain(..) {
            group.extend(jobs.by_ref().take(jobs_before - taken));
            taken = jobs_before;
            self.take_valid(&mut group, chunk, taker, name)?;
            self.take_flaw((flaw, place), &chunk.bytes()[text], taker, name)?;
        }
        group.extend(jobs);
        self.take_valid(&mut group, chunk, taker, name)
    }

    fn take_valid(
        &mut self,
        jobs: &mut Vec<LineJob>,
        chunk: &Chunk,
        taker: &mut dyn Taker,
        name: &str,
    ) -> Result<(), IntakeEnd> {
        if jobs.is_empty() {
            return Ok(());
        }
        self.after_unfinished = false;
        if self.one_by_one {
            return take_each(taker, jobs, chunk.bytes(), name);
        }
        taker.take_all(jobs, chunk.bytes(), name)
    }

    fn take_flaw(
        &mut self,
        (flaw, place): (Flaw, Place),
        text: &[u8],
        taker: &mut dyn Taker,
        name: &str,
    ) -> Result<(), IntakeEnd> {
        self.name_flaw(&flaw, place, name);
        self.look_for_spread_out_jobs(&flaw);
        taker.take(Err((flaw, place)), text, name)?;
        if self.strict { Err(IntakeEnd::Invalid) } else { Ok(()) }
    }

    fn name_flaw(&mut self, flaw: &Flaw, place: Place, file: &str) {
        self.flaws += 1;
        if self.flaws <= self.name_flaws {
            warn(&format!("{file}, line {}, column {}: {}", place.line, place.column, flaw.message));
        }
        if self.flaws == self.name_flaws.saturating_add(1) && self.name_flaws > 0 {
            warn("there are more invalid jobs; --verbose names all");
        }
    }

    /// Looks for jobs that were printed over several lines: a line that begins a value, and one that goes on with it.
    fn look_for_spread_out_jobs(&mut self, flaw: &Flaw) {
        let goes_on = self.after_unfinished && flaw.is_syntax;
        self.after_unfinished = flaw.is_unfinished;
        if goes_on && !self.hinted && self.name_flaws > 0 {
            self.hinted = true;
            warn("one job a line is expected, and these go over several; `jq -c` prints one a line");
        }
    }
}

fn failed(error: SplitError, name: &str) -> IntakeEnd {
    let name = name.to_owned();
    IntakeEnd::Failed(match error {
        SplitError::Io(error) => RunError::ReadInput { name, error },
        SplitError::NotAnArray => RunError::NotAnArray { name },
        SplitError::Utf16 => RunError::Utf16 { name },
        SplitError::Syntax { place: Place { line, column }, message } => {
            RunError::Syntax { name, line, column, message }
        }
    })
}
