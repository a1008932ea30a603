//! User-defined ops: programs in any language that a worker starts once and sends requests to.
//!
//! A program reads requests from standard input and writes one reply to each, in order, to standard output.
//! The worker starts the program with the first job that needs it and keeps it running until the program or
//! the worker exits.
//!
//! | file | content |
//! |---|---|
//! | `definition.rs` | user-defined settings of a program |
//! | `programs.rs` | the programs of one worker: start on demand, effect of failures on the worker |
//! | `running.rs` | one running program: writing requests and reading replies without deadlocks |
//! | `requests.rs`, `replies.rs` | the two byte streams without I/O, for tests with any bytes |
//! | `depth.rs` | number of pipelined requests |
//! | `json.rs` | replies of the JSON protocol |
//! | `spawn.rs` | starting, signalling and reaping the process |
//! | `stderr.rs` | standard error: forwards whole lines and keeps the tail |
//!
//! # Detecting that a program is ready
//!
//! A start-up banner must never be mistaken for a reply, and the time that a program needs to start must not
//! count as run time of its first job. Therefore the first request of a new program is sent in two pieces.
//! The first piece does not contain the delimiter, so the program cannot reply to it. Once that piece has
//! been read from the pipe, the program has started and reads requests.
//!
//! Any output that arrives while the piece is unread is a banner, and so is a complete line that has arrived
//! by the time it is read. An incomplete line at that time may be the start of the reply: `cat` replies to
//! each byte at once. A banner is a protocol violation.
//!
//! Then the job's time limit starts, and the rest of the request is written. An empty request, which consists
//! of the delimiter only, is sent in one piece.
//!
//! # No deadlock
//!
//! Both pipes are non-blocking. While the worker waits for a reply it polls both, one for room and the other
//! for data, so it reads replies while it writes requests, whatever their size. A separate thread reads
//! standard error.

mod definition;
mod depth;
mod json;
mod programs;
mod replies;
mod requests;
mod running;
mod spawn;
mod stderr;

pub use definition::{Depth, ProgramDefinition, Protocol};
pub use json::compact;
pub(crate) use programs::Programs;
