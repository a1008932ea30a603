//! Communication between a parent process and its workers.
//!
//! Internal; unstable; use `runner-pool`.
//!
//! A [`Role`] makes a process a worker. The worker [connects](connect) to its parent at a [`Rendezvous`].
//!
//! The layers, from the bottom up:
//!
//! - A [`Link`] carries packets. It is a socket, whose packets are small enough to be sent in one piece, or a
//!   pair of [rings](ring) in shared memory.
//! - A [`Message`] is one or several packets.
//! - [`batch`] defines the layout of jobs and outcomes in messages.
//! - [`handshake`] defines the messages that both sides exchange before the first batch.
//! - [`CodecKind`] encodes values as bytes.
//! - [`transfer`] passes large data by reference.
//!
//! The parent sends through an [`Outbox`], which never blocks. Both sides receive through an [`Inbox`].

#[cfg(not(any(feature = "bincode", feature = "postcard")))]
compile_error!("runner-pool needs a codec: enable its feature `bincode`, a default feature, or `postcard`");

mod announced;
pub mod batch;
mod codec;
mod file_request;
pub mod handshake;
mod inbox;
mod link;
mod message;
mod outbox;
mod rendezvous;
pub mod ring;
mod role;
pub mod transfer;

pub use codec::{CodecError, CodecKind, CommonCodec, UnknownCodec};
pub use file_request::{request_files, requested_descriptor};
pub use handshake::Transport;
pub use inbox::{Inbox, POLL_DURATION};
pub use link::{Closed, Link, PacketReceiver, PacketSender, memory_pair};
pub use message::{Message, Tag, send};
pub use outbox::Outbox;
pub use portable::catch_panic;
pub use rendezvous::{Rendezvous, RendezvousError, connect};
pub use role::Role;

/// Version of the layout and meaning of all messages; parent and worker must have the same version.
pub const PROTOCOL_VERSION: u32 = 10;
