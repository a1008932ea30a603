//! Recognizing a file under another name.

use std::{
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
};

/// What makes two names those of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    device: u64,
    inode: u64,
}

/// What happens to data that are in a file when it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file or a block device: they are overwritten.
    Storage,
    /// A pipe: they stay, and the writer's follow.
    Pipe,
    /// A terminal, a socket, `/dev/null`: each direction is independent of the other.
    Other,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Identity {
        let (device, inode) = (metadata.dev(), metadata.ino());
        let kind = metadata.file_type();
        if kind.is_file() {
            Identity { kind: Kind::Storage, device, inode }
        } else if kind.is_block_device() {
            // Several nodes may name one device.
            Identity { kind: Kind::Storage, device: metadata.rdev(), inode: 0 }
        } else if kind.is_fifo() {
            Identity { kind: Kind::Pipe, device, inode }
        } else {
            Identity { kind: Kind::Other, device, inode }
        }
    }
}
