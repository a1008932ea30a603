//! Outcomes rendered as lines, many at a time.

use ops::Builtin;
use pool::stream::Resolved;

use super::{
    claims::Claims,
    counts::Counts,
    layout::Layout,
    record::{OutcomeKind, RecordBody},
};

/// Approximate size of the line of a short result in bytes, for reserving memory.
const SHORT_LINE: usize = 32;

/// Consecutive lines of jobs.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    lines: Vec<u8>,
    runs: Vec<LineRun>,
    counts: Counts,
}

/// Jobs with consecutive positions and consecutive lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineRun {
    pub(super) first: u64,
    pub(super) jobs: usize,
    start: usize,
    end: usize,
}

impl LineRun {
    /// Size of the lines in bytes.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Rendered {
    /// Renders the outcomes that were claimed. Also returns the records of failures.
    pub(super) fn of_outcomes(
        resolved: &[Resolved<Builtin>],
        mut claims: Claims,
        layout: Layout,
    ) -> (Rendered, Vec<(u64, RecordBody)>) {
        let (mut rendered, mut failed) = (Rendered::with_capacity(resolved.len()), Vec::new());
        for (index, Resolved { tag: position, outcome }) in resolved.iter().enumerate() {
            let Some(id) = claims.next(index) else { continue };
            let failure = layout.write_outcome(outcome, id.as_deref(), *position, &mut rendered.lines);
            let kind = failure.as_ref().map_or(OutcomeKind::Succeeded, |body| body.kind);
            rendered.note(*position, kind, false);
            failed.extend(failure.map(|body| (*position, body)));
        }
        (rendered, failed)
    }

    /// Renders the records that were claimed.
    pub(super) fn of_bodies(bodies: &[(u64, RecordBody)], mut claims: Claims, layout: Layout) -> Rendered {
        let mut rendered = Rendered::with_capacity(bodies.len());
        for (index, (position, body)) in bodies.iter().enumerate() {
            let Some(id) = claims.next(index) else { continue };
            layout.write_line(body, id.as_deref(), *position, &mut rendered.lines);
            rendered.note(*position, body.kind, body.is_recorded);
        }
        rendered
    }

    /// Reserves memory for the lines of `jobs` short records.
    fn with_capacity(jobs: usize) -> Rendered {
        Rendered { lines: Vec::with_capacity(jobs * SHORT_LINE), ..Rendered::default() }
    }

    fn note(&mut self, position: u64, kind: OutcomeKind, is_recorded: bool) {
        self.counts.add(kind, is_recorded);
        let end = self.lines.len();
        match self.runs.last_mut() {
            Some(run) if run.first + run.jobs as u64 == position => {
                run.jobs += 1;
                run.end = end;
            }
            last => {
                let start = last.map_or(0, |run| run.end);
                self.runs.push(LineRun { first: position, jobs: 1, start, end });
            }
        }
    }

    /// Size of all lines in bytes.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn runs(&self) -> &[LineRun] {
        &self.runs
    }

    /// All lines.
    pub(super) fn into_lines(self) -> Vec<u8> {
        self.lines
    }

    /// Returns the lines of each run with the position of its first job.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        let Rendered { lines, runs, .. } = self;
        let (only, several) = match runs[..] {
            [run] => (Some((run.first, lines)), None),
            _ => (None, Some((runs, lines))),
        };
        let pieces = several.into_iter().flat_map(|(runs, lines)| {
            runs.into_iter().map(move |run| (run.first, lines[run.start..run.end].to_vec()))
        });
        only.into_iter().chain(pieces)
    }
}
