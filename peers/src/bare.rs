//! The bare channel between two processes: no pool can be faster than what it is made of.

use std::process::Child;

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};

use crate::{roles::echo_command, rounds::Result};

type Ends = (IpcBytesSender, IpcBytesReceiver);

/// A process that sends back what it receives.
pub(crate) struct Echo {
    // Before the child: it ends when this is closed.
    ends: Option<Ends>,
    child: Child,
}

impl Echo {
    pub(crate) fn start() -> Result<Echo> {
        let (server, name) = IpcOneShotServer::<Ends>::new()?;
        let child = echo_command(&name).spawn()?;
        let (_, ends) = server.accept()?;
        Ok(Echo { ends: Some(ends), child })
    }

    /// There and back; both sides block.
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

/// The other side: until the channel is closed.
pub(crate) fn echo(rendezvous: String) -> Result<()> {
    let (there, receiver) = bytes_channel()?;
    let (sender, back) = bytes_channel()?;
    IpcSender::connect(rendezvous)?.send((there, back))?;
    loop {
        sender.send(&receiver.recv()?)?;
    }
}
