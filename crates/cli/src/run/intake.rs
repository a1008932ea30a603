//! Reads jobs and hands them to the executor.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::Sender,
};

use builtin::Builtin;
use pool::{Executor, Inlet, JobOptions, Sink};

use crate::{
    args::Format,
    error::{RunError, warn},
    input::{Piece, Place, Source, SplitError, Splitter},
    output::{Collector, Tail, invalid_tail},
    parse::{Flaw, ParsedJob, Rules, parse},
    plan::Plan,
};

use super::{News, probation::Probation, recorder::Recorder, resume::digest};

/// How many invalid jobs are named on standard error, unless all or none are wanted.
const NAMED_FLAWS: u64 = 10;

/// Reads all sources, one after another.
pub(crate) struct Intake {
    rules: Rules,
    format: Format,
    max_job_size: usize,
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

    /// The input may make us wait.
    fn flush(&mut self) {}

    /// All input has been taken.
    fn finish(&mut self) -> Result<(), IntakeEnd> {
        Ok(())
    }
}

/// A job, or what is wrong with it and where.
pub(crate) type TakenJob = Result<ParsedJob, (Flaw, Place)>;

impl Intake {
    pub(crate) fn new(plan: &Plan) -> Intake {
        Intake {
            rules: plan.rules,
            format: plan.format,
            max_job_size: plan.max_job_size,
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

    /// Reads until the end, the first failure, or until no more jobs are wanted.
    pub(crate) fn read_all(mut self, sources: Vec<Source>, taker: &mut dyn Taker) -> Result<(), IntakeEnd> {
        sources.into_iter().try_for_each(|source| self.read(source, taker))?;
        taker.finish()
    }

    fn read(&mut self, mut source: Source, taker: &mut dyn Taker) -> Result<(), IntakeEnd> {
        if source.may_block() {
            taker.flush();
        }
        source.open().map_err(IntakeEnd::Failed)?;
        let name = source.name.clone();
        let bare_values = self.rules.default_op.is_some();
        let mut splitter = match self.rules.each {
            Some(op) => Splitter::whole_lines(source, op.delimiter, self.max_job_size),
            None => Splitter::new(source, self.format, bare_values, self.max_job_size),
        };
        let before = self.bytes_read.load(Ordering::Relaxed);
        let is_array = splitter.is_array(&mut || taker.flush()).map_err(|error| failed(error, &name))?;
        loop {
            self.bytes_read.store(before + splitter.total_read(), Ordering::Relaxed);
            let next = splitter.next(&mut || taker.flush()).map_err(|error| failed(error, &name))?;
            let (job, text) = match next {
                None => return Ok(()),
                Some(Piece::TooLong { place }) => {
                    let message = format!("the job is longer than {} bytes", self.max_job_size);
                    (Err((Flaw::new(0, message), place)), &[][..])
                }
                Some(Piece::Text { text, place }) if !has_room_for(text) => {
                    let message = format!("there is no memory for a job of {} bytes", text.len());
                    (Err((Flaw::new(0, message), place)), &[][..])
                }
                Some(Piece::Text { text, place }) => {
                    let parsed = parse(text, &self.rules);
                    let placed = parsed.map_err(|flaw| {
                        let place = place.inside(text, flaw.offset);
                        (flaw, place)
                    });
                    (placed, text)
                }
            };
            if let Err((flaw, place)) = &job {
                if flaw.is_syntax && is_array {
                    return Err(failed(
                        SplitError::Syntax { place: *place, message: flaw.message.clone() },
                        &name,
                    ));
                }
                self.name_flaw(flaw, *place, &name);
            }
            self.look_for_spread_out_jobs(job.as_ref().err().map(|(flaw, _)| flaw));
            let is_last = self.strict && job.is_err();
            taker.take(job, text, &name)?;
            if is_last {
                return Err(IntakeEnd::Invalid);
            }
        }
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
}

impl Intake {
    /// Looks for jobs that were printed over several lines: a line that begins a value, and one that goes on with it.
    fn look_for_spread_out_jobs(&mut self, flaw: Option<&Flaw>) {
        let goes_on = self.after_unfinished && flaw.is_some_and(|flaw| flaw.is_syntax);
        self.after_unfinished = flaw.is_some_and(|flaw| flaw.is_unfinished);
        if goes_on && !self.hinted && self.name_flaws > 0 {
            self.hinted = true;
            warn("one job a line is expected, and these go over several; `jq -c` prints one a line");
        }
    }
}

/// Texts of up to this many bytes are parsed without asking for room.
const SHORT_TEXT: usize = 1 << 20;

/// Room for a parsed and encoded job, as a multiple of its text's bytes.
const ROOM: usize = 4;

fn has_room_for(text: &[u8]) -> bool {
    text.len() <= SHORT_TEXT || sys::memory::has_room(text.len().saturating_mul(ROOM))
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

/// Runs the jobs: those that are valid go to the executor, all get a record.
pub(crate) struct Runner<'a> {
    pub(super) collector: &'a Collector,
    inlet: Box<dyn Inlet<Builtin>>,
    /// Records the outcomes, where a journal is kept.
    recorder: Option<&'a Recorder>,
    /// Watches over programs of user-defined ops, where there are some.
    probation: Option<Arc<Probation>>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        collector: &'a Arc<Collector>,
        recorder: Option<&'a Arc<Recorder>>,
        executor: &dyn Executor<Builtin>,
        (rules, news): (&Rules, &Sender<News>),
    ) -> Runner<'a> {
        let sink: Arc<dyn Sink<Builtin>> = match recorder {
            Some(recorder) => recorder.clone(),
            None => collector.clone(),
        };
        let ops: Vec<Box<str>> = rules.programs().map(Box::from).collect();
        let probation = (!ops.is_empty()).then(|| Probation::new(ops, sink.clone(), news.clone()));
        let inlet = match &probation {
            Some(probation) => executor.inlet(probation.clone()),
            None => executor.inlet(sink),
        };
        Runner { inlet, collector, recorder: recorder.map(Arc::as_ref), probation }
    }
}

impl Taker for Runner<'_> {
    fn take(&mut self, job: TakenJob, text: &[u8], file: &str) -> Result<(), IntakeEnd> {
        match job {
            Ok(ParsedJob { op, id, job, limit }) => {
                let position = self.enter(id, text.len())?;
                if let Some(recorder) = self.recorder {
                    recorder.expect(position, digest(op, text));
                }
                if let Some(probation) = &self.probation {
                    probation.expect(position, &job);
                }
                self.inlet.push(position, job, JobOptions { limit });
                Ok(())
            }
            Err((flaw, place)) => self.settle(flaw.id, invalid_tail(&flaw.message, file, place)),
        }
    }

    fn flush(&mut self) {
        self.inlet.flush();
    }
}

impl Runner<'_> {
    /// Lets a job in that does not have to run.
    pub(super) fn settle(&mut self, id: Option<Box<str>>, tail: Tail) -> Result<(), IntakeEnd> {
        let position = self.enter(id, 0)?;
        self.collector.settle(position, tail);
        Ok(())
    }

    /// Waits for room. What has gathered is handed over first: the room may depend on it.
    fn enter(&mut self, id: Option<Box<str>>, bytes: usize) -> Result<u64, IntakeEnd> {
        self.collector.try_enter(id, bytes).or_else(|id| {
            self.inlet.flush();
            self.collector.enter(id, bytes).ok_or(IntakeEnd::NotWanted)
        })
    }
}
