//! Identification of a file under different names.

use std::{
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
};

/// Identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    pub(super) kind: FileKind,
    device: u64,
    inode: u64,
}

/// Effect of a write on the data in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Regular file or block device: the data is overwritten.
    Storage,
    /// Pipe: the data stays, and the written data follows.
    Pipe,
    /// Terminal, socket, `/dev/null`: reading and writing are independent.
    Other,
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> FileIdentity {
        let (device, inode) = (metadata.dev(), metadata.ino());
        let kind = metadata.file_type();
        if kind.is_file() {
            FileIdentity { kind: FileKind::Storage, device, inode }
        } else if kind.is_block_device() {
            // Several device nodes can refer to one device.
            FileIdentity { kind: FileKind::Storage, device: metadata.rdev(), inode: 0 }
        } else if kind.is_fifo() {
            FileIdentity { kind: FileKind::Pipe, device, inode }
        } else {
            FileIdentity { kind: FileKind::Other, device, inode }
        }
    }
}
