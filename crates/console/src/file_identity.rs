//! Identification of a file under different names.

use std::{
    fs::{File, Metadata},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
};

/// Identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// Effect of a write on the data in the file.
    pub kind: FileKind,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Returns the identity of an open file.
    ///
    /// # Errors
    /// If the file cannot be examined, or no descriptor is free.
    pub fn of(file: &impl AsFd) -> io::Result<FileIdentity> {
        let file = File::from(file.as_fd().try_clone_to_owned()?);
        Ok(FileIdentity::from(&file.metadata()?))
    }
}

/// Effect of a write on the data in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
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
