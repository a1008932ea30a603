//! The bare channel between two processes: no pool can be faster than what it is made of.

use std::process::Child;

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{roles::echo_command, rounds::Result};

type Ends = (IpcBytesSender, IpcBytesReceiver);

/// A process that sends back what it receives.
pub(crate) struct Echo {
    // Before the child: it ends when this is closed.
    ends: Option<Ends>,
    child: Child,
}

impl Echo {
    /// Starts it on the given core.
    pub(crate) fn start(core: usize) -> Result<Echo> {
        let (server, name) = IpcOneShotServer::<Ends>::new()?;
        let child = echo_command(&name, core).spawn()?;
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

/// Keeps the calling thread on one core.
pub(crate) fn stay_on(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Cores that this program may use.
pub(crate) fn cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
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
