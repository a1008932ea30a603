//! Parsing of a chunk of lines.

use std::ops::Range;

use crate::{
    input::{Chunk, Location},
    parse::{ParseError, ParseOptions, ParsedJob, parse},
};

/// Maximum size in bytes of a text that is parsed without checking for available memory.
const SHORT_TEXT: usize = 1 << 20;

/// Memory for a parsed and encoded job, as a multiple of the size of its text.
const MEMORY_FACTOR: usize = 4;

/// Settings for parsing texts, on any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextParser {
    pub(crate) parse_options: ParseOptions,
    /// Maximum size of a job's text in bytes.
    pub(crate) max_job_size: usize,
}

/// A chunk whose lines have been parsed. Jobs and invalid lines are separate, so that many jobs can be
/// submitted at once.
#[derive(Debug, Default)]
pub(crate) struct ParsedChunk {
    pub(crate) chunk: Chunk,
    pub(crate) jobs: Vec<LineJob>,
    pub(crate) invalid_lines: Vec<InvalidLine>,
}

/// A valid job and the range of its text in the chunk.
#[derive(Debug)]
pub(crate) struct LineJob {
    pub(crate) job: ParsedJob,
    start: usize,
    end: usize,
}

/// A line that is not a valid job.
#[derive(Debug)]
pub(crate) struct InvalidLine {
    /// Number of valid jobs of the chunk before this line.
    pub(crate) jobs_before: usize,
    pub(crate) error: ParseError,
    pub(crate) location: Location,
    /// Range of its text in the chunk; empty if it was too long.
    pub(crate) text: Range<usize>,
}

/// Allocations of parsed chunks, for reuse.
#[derive(Debug, Default)]
pub(crate) struct Recycled {
    pub(crate) jobs: Vec<LineJob>,
    pub(crate) invalid_lines: Vec<InvalidLine>,
}

impl LineJob {
    /// Size of its text in bytes.
    pub(crate) fn text_len(&self) -> usize {
        self.end - self.start
    }

    /// Returns its text, given the bytes of its chunk.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.end]
    }
}

impl TextParser {
    /// Parses a text.
    #[inline]
    pub(crate) fn parse(&self, text: &[u8]) -> Result<ParsedJob, ParseError> {
        if text.len() > SHORT_TEXT && !sys::memory::can_allocate(text.len().saturating_mul(MEMORY_FACTOR)) {
            return Err(ParseError::new(0, format!("not enough memory for a job of {} bytes", text.len())));
        }
        parse(text, &self.parse_options)
    }

    /// Returns the error for a text that is too long.
    pub(crate) fn too_long(&self) -> ParseError {
        ParseError::new(0, format!("the job is longer than {} bytes (--max-job-size)", self.max_job_size))
    }

    /// Parses the lines of a chunk, reusing allocations.
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
