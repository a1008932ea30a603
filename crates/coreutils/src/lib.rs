//! `runner factor` and `runner gcd`: text filters for shell pipelines.
//!
//! Internal; unstable; use `runner-tool`.
//!
//! The parent reads the text and splits it into blocks. A *block*, some thousand numbers or a single
//! expensive one, is one job: a worker parses its numbers, computes, and formats the lines, and the parent
//! writes them in order.
//!
//! | file | concern |
//! |---|---|
//! | `front` | the two front ends |
//! | `arguments` | the command line, parsed as C's `getopt_long` does |
//! | `help` | `--help`, and the descriptions for clap's help, completions and manual |
//! | `chunker` | splits text into blocks |
//! | `reader` | reads the input and runs blocks: in its own thread if that is cheaper than on a worker |
//! | `block`, `block_output` | the job and its output |
//! | `factor`, `gcd` | the operations on a block |
//! | `tokens`, `integer` | splits text into tokens; parses a token as an integer |
//! | `queue` | blocks in flight, in order |
//! | `lazy_pool` | the workers, started on demand, and the handling of signals |
//! | `write` | writes results and errors in order |
//! | `error` | errors of the input and of the output |
//! | `messages` | messages, with tokens quoted as the programs of the C library quote them |

mod arguments;
mod block;
mod block_output;
mod chunker;
mod error;
mod factor;
mod front;
mod gcd;
mod help;
mod integer;
mod lazy_pool;
mod messages;
mod queue;
mod reader;
mod tokens;
mod write;

use std::{ffi::OsString, fs::File, io, os::fd::AsFd, sync::Arc};

use console::{ExitStatus, FileIdentity, FileKind};

pub use block::Block;
pub use front::Front;
pub use help::commands;

use self::{
    arguments::{Computation, Request, read_arguments},
    lazy_pool::LazyPool,
    queue::BlockQueue,
    reader::start_reader,
    write::Writer,
};

/// Runs `runner factor` or `runner gcd` with the arguments that follow the front end's name. Workers do not
/// inherit the environment variables `secrets`.
pub fn run(
    front: Front,
    arguments: impl Iterator<Item = OsString>,
    secrets: &'static [&'static str],
) -> ExitStatus {
    let permutes = std::env::var_os("POSIXLY_CORRECT").is_none();
    match read_arguments(front, arguments, permutes) {
        Ok(Request::Help) => Writer::new(front).finish_with(help::help_text(front).as_bytes()),
        Ok(Request::Version) => Writer::new(front).finish_with(help::version_text(front).as_bytes()),
        Ok(Request::Computation(computation)) => compute(front, computation, secrets),
        Err(error) => {
            messages::print_option_error(front, &error);
            ExitStatus::JobsFailed
        }
    }
}

fn compute(front: Front, computation: Computation, secrets: &'static [&'static str]) -> ExitStatus {
    if let Err(error) = check_streams(&computation) {
        messages::print(front, &error);
        return ExitStatus::JobsFailed;
    }
    let started = LazyPool::new(secrets).and_then(|pool| {
        let (pool, queue) = (Arc::new(pool), Arc::new(BlockQueue::default()));
        start_reader(front, computation, &pool, &queue)?;
        Ok((pool, queue))
    });
    match started {
        Ok((pool, queue)) => Writer::new(front).write_all(&queue, &pool),
        Err(error) => {
            messages::print(front, &error);
            ExitStatus::JobsFailed
        }
    }
}

/// Two standard streams are the same file.
#[derive(Debug, thiserror::Error)]
#[error("{0} and {1} are the same file; choose another file for the results")]
struct SameFile(&'static str, &'static str);

/// Rejects standard input that is also the output, because each result would be read as a number. An empty
/// file, as the shell leaves it in `factor <file >file`, is allowed: it has no results.
fn check_streams(computation: &Computation) -> Result<(), SameFile> {
    if computation.operands.is_some() || is_empty(&io::stdin()) {
        return Ok(());
    }
    let input = FileIdentity::of(&io::stdin()).ok().filter(|input| input.kind == FileKind::Storage);
    let Some(input) = input else { return Ok(()) };
    if FileIdentity::of(&io::stderr()).is_ok_and(|errors| errors == input) {
        return Err(SameFile("standard error", "standard input"));
    }
    if FileIdentity::of(&io::stdout()).is_ok_and(|output| output == input) {
        return Err(SameFile("standard input", "standard output"));
    }
    Ok(())
}

fn is_empty(stream: &impl AsFd) -> bool {
    let metadata = stream.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}
