//! The jobs of a chunk of lines.

use std::ops::Range;

use crate::{
    input::{Chunk, Location},
    parse::{ParseError, ParseOptions, ParsedJob, parse},
};

/// Texts of up to this many bytes are parsed without asking for room.
const SHORT_TEXT: usize = 1 << 20;

/// Room for a parsed and encoded job, as a multiple of its text's bytes.
const ROOM: usize = 4;

/// How a text is parsed, whichever thread does that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextParser {
    pub(crate) parse_options: ParseOptions,
    /// The longest text of a job, in bytes.
    pub(crate) max_job_size: usize,
}

/// A chunk after its lines have been parsed. Jobs and invalid_lines are kept apart, so that jobs can be
/// passed on many at a time.
#[derive(Debug, Default)]
pub(crate) struct ParsedChunk {
    pub(crate) chunk: Chunk,
    pub(crate) jobs: Vec<LineJob>,
    pub(crate) invalid_lines: Vec<InvalidLine>,
}

/// A valid job, and where its text is in the chunk.
#[derive(Debug)]
pub(crate) struct LineJob {
    pub(crate) job: ParsedJob,
    start: usize,
    end: usize,
}

/// A line that is no job.
#[derive(Debug)]
pub(crate) struct InvalidLine {
    /// Number of valid jobs of the chunk that stand before it.
    pub(crate) jobs_before: usize,
    pub(crate) error: ParseError,
    pub(crate) location: Location,
    /// Its text in the chunk; empty if it was too long.
    pub(crate) text: Range<usize>,
}

/// Memory of parsed chunks, to be used for others.
#[derive(Debug, Default)]
pub(crate) struct Recycled {
    pub(crate) jobs: Vec<LineJob>,
    pub(crate) invalid_lines: Vec<InvalidLine>,
}

impl LineJob {
    /// Number of bytes of its text.
    pub(crate) fn text_len(&self) -> usize {
        self.end - self.start
    }

    /// Its text, given the bytes of its chunk.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }
}

impl TextParser {
    /// The job of a text.
    #[inline]
    pub(crate) fn parse(&self, text: &[u8]) -> Result<ParsedJob, ParseError> {
        if text.len() > SHORT_TEXT && !sys::memory::has_room(text.len().saturating_mul(ROOM)) {
            return Err(ParseError::new(0, format!("there is no memory for a job of {} bytes", text.len())));
        }
        parse(text, &self.parse_options)
    }

    /// What is wrong with a text that is too long.
    pub(crate) fn too_long(&self) -> ParseError {
        ParseError::new(0, format!("the job is longer than {} bytes", self.max_job_size))
    }

    /// The jobs of a chunk.
    pub(crate) fn parse_lines(&self, chunk: Chunk, recycled: Recycled) -> ParsedChunk {
        let Recycled { mut jobs, mut invalid_lines } = recycled;
        let mut locations = chunk.locations();
        for line in chunk.lines() {
            let text = if line.is_too_long { &[][..] } else { chunk.text(&line) };
            let parsed = if line.is_too_long { Err(self.too_long()) } else { self.parse(text) };
            match parsed {
                Ok(job) => jobs.push(LineJob { job, start: line.start, end: line.end }),
                Err(error) => {
                    let location = locations.of(line.start).inside(text, error.offset);
                    let text = line.start..line.start + text.len();
                    invalid_lines.push(InvalidLine { jobs_before: jobs.len(), error, location, text });
                }
            }
        }
        ParsedChunk { chunk, jobs, invalid_lines }
    }
}
