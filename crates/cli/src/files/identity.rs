//! Recognizing a file under another name.

use std::{
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
};

/// What makes two names those of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    pub(super) kind: FileKind,
    device: u64,
    inode: u64,
}

/// What happens to data that are in a file when it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A regular file or a block device: they are overwritten.
    Storage,
    /// A pipe: they stay, and the writer's follow.
    Pipe,
    /// A terminal, a socket, `/dev/null`: each direction is independent of the other.
    Other,
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> FileIdentity {
        let (device, inode) = (metadata.dev(), metadata.ino());
        let kind = metadata.file_type();
        if kind.is_file() {
            FileIdentity { kind: FileKind::Storage, device, inode }
        } else if kind.is_block_device() {
            // Several nodes may name one device.
            FileIdentity { kind: FileKind::Storage, device: metadata.rdev(), inode: 0 }
        } else if kind.is_fifo() {
            FileIdentity { kind: FileKind::Pipe, device, inode }
        } else {
            FileIdentity { kind: FileKind::Other, device, inode }
        }
    }
}
