//! Pipes as neighbours of a program leave them: non-blocking, full, or read packet by packet.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};

/// A byte that no program under test writes.
const FILLER: u8 = 0;

/// A pipe; both ends are open until they are taken.
pub struct Pipe {
    /// The end to read from.
    pub reader: File,
    /// The end to write to.
    pub writer: OwnedFd,
}

impl Pipe {
    /// An ordinary pipe.
    ///
    /// # Panics
    /// When there are no descriptors left.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Pipe {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
        Pipe { reader: reader.into(), writer }
    }

    /// A pipe whose every read returns what one `write` call wrote.
    ///
    /// # Panics
    /// When there are no descriptors left.
    #[must_use]
    pub fn of_packets() -> Pipe {
        let (reader, writer) = pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC).expect("a pipe can be made");
        Pipe { reader: reader.into(), writer }
    }

    /// The same pipe without room for another byte.
    ///
    /// # Panics
    /// When it cannot be written to.
    #[must_use]
    pub fn filled(self) -> Pipe {
        set_blocking(&self.writer, false);
        let mut writer = File::from(self.writer);
        for size in [4096, 1] {
            while let Ok(count) = writer.write(&vec![FILLER; size]) {
                assert!(count > 0, "a pipe takes bytes or refuses");
            }
        }
        set_blocking(&writer, true);
        Pipe { writer: writer.into(), ..self }
    }

    /// The same pipe with a non-blocking writing end, for all processes that share it.
    #[must_use]
    pub fn with_impatient_writer(self) -> Pipe {
        set_blocking(&self.writer, false);
        self
    }
}

/// Reads to the end, and leaves out what a pipe was [filled](Pipe::filled) with.
///
/// # Panics
/// When the pipe cannot be read, or its text is no UTF-8.
#[must_use]
pub fn read_to_end(mut reader: impl Read) -> String {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("the pipe can be read");
    bytes.retain(|&byte| byte != FILLER);
    String::from_utf8(bytes).expect("the text is UTF-8")
}

/// Sets or clears `O_NONBLOCK`, for all processes that share the open file.
///
/// # Panics
/// When the descriptor has no flags.
pub fn set_blocking(stream: impl AsFd, blocking: bool) {
    let set = || -> io::Result<()> {
        let flags = OFlag::from_bits_retain(fcntl(&stream, FcntlArg::F_GETFL)?);
        let flags = if blocking { flags - OFlag::O_NONBLOCK } else { flags | OFlag::O_NONBLOCK };
        fcntl(&stream, FcntlArg::F_SETFL(flags))?;
        Ok(())
    };
    set().expect("flags can be set");
}
