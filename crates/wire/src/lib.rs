//! What crosses the boundary between processes.
//!
//! A [`Role`] makes a process a worker, which [joins](join) its parent at a [`Rendezvous`].
//! From the bottom up: a [`Link`] carries packets, through a socket, each small enough to go through it in one piece, or
//! through a [`ring`] in shared memory; a
//! [`Message`] is one or several packets; [`batch`] lays jobs and outcomes out in messages; [`handshake`] is what
//! both sides say before the first batch; [`CodecKind`] turns values into bytes. The parent sends through an
//! [`Outbox`], which never blocks, and both sides receive through an [`Inbox`].

mod announced;
pub mod batch;
mod catch;
mod codec;
pub mod handshake;
mod inbox;
mod link;
mod message;
mod outbox;
mod rendezvous;
pub mod ring;
mod role;

pub use catch::catch_panic;
pub use codec::{CodecError, CodecKind, UnknownCodec};
pub use handshake::Transport;
pub use inbox::{Inbox, POLL};
pub use link::{Closed, Link, PacketReceiver, PacketSender, memory_pair};
pub use message::{Message, Tag, send};
pub use outbox::Outbox;
pub use rendezvous::{Rendezvous, RendezvousError, join};
pub use role::Role;

/// Changes whenever a message's layout or meaning does; both sides must have the same.
pub const PROTOCOL_VERSION: u32 = 7;
