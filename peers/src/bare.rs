//! The bare channel between two processes: a lower bound for the round trip of any pool.

use std::process::Child;

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer};

use crate::{roles::echo_command, rounds::Result};

type Ends = (IpcBytesSender, IpcBytesReceiver);

/// A process that echoes messages.
pub(crate) struct Echo {
    /// Dropped before `child` is waited for: the process exits when the channel is closed.
    ends: Option<Ends>,
    child: Child,
}

impl Echo {
    /// Starts the process on this core.
    pub(crate) fn start(core: usize) -> Result<Echo> {
        let (server, name) = IpcOneShotServer::<Ends>::new()?;
        let child = echo_command(&name, core).spawn()?;
        let (_, ends) = server.accept()?;
        Ok(Echo { ends: Some(ends), child })
    }

    /// Sends a message and receives it back; both sides block.
    pub(crate) fn round_trip(&self, message: &[u8]) -> Result<()> {
        let (sender, receiver) = self.ends.as_ref().ok_or("the channel is closed")?;
        sender.send(message)?;
        if receiver.recv()? == message { Ok(()) } else { Err("another message came back".into()) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ends = None;
        let _ = self.child.wait();
    }
}
