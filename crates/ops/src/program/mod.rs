//! User-defined ops: programs in any language that a worker starts once and sends requests to.
//!
//! A program reads requests from standard input and writes one reply for each, in order, to standard output. The
//! worker starts it at the first job that needs it and keeps it for as long as both live.
//!
//! | file | |
//! |---|---|
//! | `definition.rs` | what the user says about a program |
//! | `programs.rs` | the programs of one worker: start on demand, what a job's failure means for the worker |
//! | `exchange.rs` | one running program: requests out, replies in, never a deadlock |
//! | `requests.rs`, `replies.rs` | the two byte streams, without input and output: tested with made-up bytes |
//! | `depth.rs` | how many requests are written ahead |
//! | `json.rs` | the replies of the JSON protocol |
//! | `stderr.rs` | what the program writes to standard error: passed on in whole lines, its tail kept |
//!
//! # When a request counts as read
//!
//! A start-up banner must never be taken for an answer, and the time that a program needs to start is not its first
//! job's. Therefore the first request of a fresh program is sent in two pieces. The first piece lacks the delimiter, so
//! the program cannot answer it; once it has left the pipe, the program has started and is reading. A line that has come
//! by then is a banner, and so is everything that comes while the piece is unread. (A part of a line may be the
//! beginning of the reply: `cat` answers each byte as it comes.) Then the job's clock starts, and the rest is written. A
//! request that is empty, so that there is nothing before its delimiter, is sent whole.
//!
//! # No deadlock
//!
//! Both pipes are non-blocking, and waiting for a reply polls for room in the one and for bytes in the other. So the program
//! is read from while it is written to, however large a request or a reply is. Standard error has a thread of its
//! own, which is busy with nothing else.

mod definition;
mod depth;
mod exchange;
mod json;
mod programs;
mod replies;
mod requests;
mod spawn;
mod stderr;

pub use definition::{Depth, ProgramDefinition, Protocol};
pub use json::compact;
pub(crate) use programs::Programs;
