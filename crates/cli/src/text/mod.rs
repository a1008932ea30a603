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

use std::{ffi::OsString, sync::Arc};

pub(crate) use block::Block;
pub(crate) use describe::commands;

use self::{
    arguments::{Request, Work, read_arguments},
    crew::Crew,
    feed::start_feed,
    order::Order,
    write::Writer,
};
use crate::exit::Ended;

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
pub(crate) fn run(front: Front, arguments: impl Iterator<Item = OsString>) -> Ended {
    let permutes = std::env::var_os("POSIXLY_CORRECT").is_none();
    match read_arguments(front, arguments, permutes) {
        Ok(Request::Help) => Writer::new(front).finish_with(describe::help(front).as_bytes()),
        Ok(Request::Version) => Writer::new(front).finish_with(describe::version(front).as_bytes()),
        Ok(Request::Work(work)) => compute(front, work),
        Err(misuse) => {
            wording::misused(front, &misuse);
            Ended::JobsFailed
        }
    }
}

fn compute(front: Front, work: Work) -> Ended {
    let started = Crew::new().and_then(|crew| {
        let (crew, order) = (Arc::new(crew), Arc::new(Order::default()));
        start_feed(front, work, &crew, &order)?;
        Ok((crew, order))
    });
    match started {
        Ok((crew, order)) => Writer::new(front).write_all(&order, &crew),
        Err(error) => {
            wording::say(front, &error);
            Ended::JobsFailed
        }
    }
}
