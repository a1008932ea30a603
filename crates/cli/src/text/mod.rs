//! `runner factor` and `runner gcd`: text in, text out, for pipelines of a shell.
//!
//! The parent reads and cuts, the workers do the rest. A *block* of text, some thousand numbers or one that is hard, is one
//! job: a worker reads the numbers in it, computes, and writes the lines, and the parent passes them on in order.
//!
//! | file | concern |
//! |---|---|
//! | `arguments` | the command line, read as C's getopt_long does |
//! | `describe` | what clap has to know for help, completions and the manual; `--help` |
//! | `cut` | where a block ends |
//! | `feed` | reads, cuts, and has blocks run: here if that is cheaper than sending them |
//! | `block` | the job |
//! | `factor`, `gcd` | what is done with the text of a block |
//! | `integer` | integers as they are written |
//! | `order` | blocks under way, in order |
//! | `crew` | the workers, started when they are needed, and the end by a signal |
//! | `write` | results and errors, on their way out |
//! | `wording` | messages, quoted as the C library's programs do |

mod arguments;
mod block;
mod crew;
mod cut;
mod describe;
mod factor;
mod feed;
mod gcd;
mod integer;
mod order;
mod wording;
mod write;

use std::{ffi::OsString, fs::File, io, os::fd::AsFd, sync::Arc};

pub(crate) use block::Block;
pub(crate) use describe::commands;

use self::{
    arguments::{Request, Work, read_arguments},
    crew::Crew,
    feed::start_feed,
    order::Order,
    write::Writer,
};
use crate::{error::RunError, exit::ExitStatus, files::Registry, plan::Input};

/// Which front end; by its name it signs its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Factor,
    Gcd,
}

impl Front {
    /// The front end that the first argument names.
    pub(crate) fn named(name: &OsString) -> Option<Front> {
        [Front::Factor, Front::Gcd].into_iter().find(|front| name == front.name())
    }

    fn name(self) -> &'static str {
        match self {
            Front::Factor => "factor",
            Front::Gcd => "gcd",
        }
    }
}

/// The whole of `runner factor` or `runner gcd`, with the arguments after that word.
pub(crate) fn run(front: Front, arguments: impl Iterator<Item = OsString>) -> ExitStatus {
    let permutes = std::env::var_os("POSIXLY_CORRECT").is_none();
    match read_arguments(front, arguments, permutes) {
        Ok(Request::Help) => Writer::new(front).finish_with(describe::help(front).as_bytes()),
        Ok(Request::Version) => Writer::new(front).finish_with(describe::version(front).as_bytes()),
        Ok(Request::Work(work)) => compute(front, work),
        Err(misuse) => {
            wording::misused(front, &misuse);
            ExitStatus::JobsFailed
        }
    }
}

fn compute(front: Front, work: Work) -> ExitStatus {
    if let Err(error) = check_streams(&work) {
        wording::say(front, &error);
        return ExitStatus::JobsFailed;
    }
    let started = Crew::new().and_then(|crew| {
        let (crew, order) = (Arc::new(crew), Arc::new(Order::default()));
        start_feed(front, work, &crew, &order)?;
        Ok((crew, order))
    });
    match started {
        Ok((crew, order)) => Writer::new(front).write_all(&order, &crew),
        Err(error) => {
            wording::say(front, &error);
            ExitStatus::JobsFailed
        }
    }
}

/// Refuses standard input that is also written to: each result would be read as a number. One that is empty, as the shell
/// leaves it in `factor <file >file`, has no results.
fn check_streams(work: &Work) -> Result<(), RunError> {
    let is_read = work.operands.is_none() && !is_empty(&io::stdin());
    if !is_read {
        return Ok(());
    }
    let mut registry = Registry::new();
    registry.add_input(&Input::Standard, None)?;
    registry.add_standard_output()
}

fn is_empty(stream: &impl AsFd) -> bool {
    let metadata = stream.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}
