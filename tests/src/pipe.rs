//! Pipes in special states: non-blocking, full, or in packet mode.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};

/// Byte that no program under test writes.
const FILLER: u8 = 0;

/// Both ends of a pipe.
pub struct Pipe {
    /// Read end.
    pub reader: File,
    /// Write end.
    pub writer: OwnedFd,
}

impl Pipe {
    /// Creates an ordinary pipe.
    ///
    /// # Panics
    /// If no descriptors are left.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Pipe {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("cannot create a pipe");
        Pipe { reader: reader.into(), writer }
    }

    /// Creates a pipe of which each read returns the data of one `write` call.
    ///
    /// # Panics
    /// If no descriptors are left.
    #[must_use]
    pub fn packet_mode() -> Pipe {
        let (reader, writer) = pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC).expect("cannot create a pipe");
        Pipe { reader: reader.into(), writer }
    }

    /// Fills the pipe until there is no room for another byte.
    ///
    /// # Panics
    /// If the pipe cannot be written to.
    #[must_use]
    pub fn filled(self) -> Pipe {
        set_blocking(&self.writer, false);
        let mut writer = File::from(self.writer);
        for size in [4096, 1] {
            while let Ok(count) = writer.write(&vec![FILLER; size]) {
                assert!(count > 0, "a write to a pipe wrote nothing");
            }
        }
        set_blocking(&writer, true);
        Pipe { writer: writer.into(), ..self }
    }

    /// Makes the write end non-blocking, for all processes that share it.
    #[must_use]
    pub fn with_nonblocking_writer(self) -> Pipe {
        set_blocking(&self.writer, false);
        self
    }
}

/// Reads to the end and leaves out the bytes that [`filled`](Pipe::filled) wrote.
///
/// # Panics
/// If the pipe cannot be read or the text is not UTF-8.
#[must_use]
pub fn read_to_end(mut reader: impl Read) -> String {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("cannot read the pipe");
    bytes.retain(|&byte| byte != FILLER);
    String::from_utf8(bytes).expect("the text is not UTF-8")
}

/// Sets or clears `O_NONBLOCK`, for all processes that share the open file.
///
/// # Panics
/// If the flags cannot be changed.
pub fn set_blocking(stream: impl AsFd, blocking: bool) {
    let set = || -> io::Result<()> {
        let flags = OFlag::from_bits_retain(fcntl(&stream, FcntlArg::F_GETFL)?);
        let flags = if blocking { flags - OFlag::O_NONBLOCK } else { flags | OFlag::O_NONBLOCK };
        fcntl(&stream, FcntlArg::F_SETFL(flags))?;
        Ok(())
    };
    set().expect("cannot set the flags");
}
