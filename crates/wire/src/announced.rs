//! ipc-channel's ends for a parent that waits for several workers at a time.
//!
//! ipc-channel does not give away the descriptors of its sockets, so a parent cannot wait for them beside others. A worker
//! therefore rings the [doorbell](sys::doorbell) after it has sent a packet, if the parent says that it sleeps. Both sides
//! follow the protocol of the [rings](crate::ring): instead of a position, the socket says whether there is a packet.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};
use sys::shared_page::SharedPage;

use crate::{
    Closed, PacketReceiver, PacketSender,
    ring::sleep::{Ringer, full_fence},
};

/// A worker's end towards its parent.
pub(crate) struct AnnouncingSender<P> {
    sender: IpcBytesSender,
    page: P,
    ringer: Mutex<Ringer>,
}

impl<P> AnnouncingSender<P> {
    pub(crate) fn new(sender: IpcBytesSender, page: P) -> AnnouncingSender<P> {
        AnnouncingSender { sender, page, ringer: Mutex::default() }
    }
}

impl<P: Deref<Target = SharedPage> + Send + Sync> PacketSender for AnnouncingSender<P> {
    fn send(&self, packet: &[u8]) -> Result<(), Closed> {
        // One packet after another, so that the last one to be sent is followed by a look at the parent.
        let mut ringer = self.ringer.lock().unwrap_or_else(PoisonError::into_inner);
        PacketSender::send(&self.sender, packet)?;
        full_fence();
        if ringer.must_ring(self.page.replies().reader_asleep.load(Ordering::Relaxed)) {
            self.page.door().ring();
        }
        Ok(())
    }
}

/// A parent's end from one worker.
pub(crate) struct AnnouncedReceiver<P> {
    receiver: IpcBytesReceiver,
    page: P,
    /// Number of sleeps so far.
    sleeps: u64,
    /// A packet that came while this side was about to sleep, or the error in its place: ipc-channel returns it only once.
    early: Option<Result<Vec<u8>, Closed>>,
}

impl<P: Deref<Target = SharedPage>> AnnouncedReceiver<P> {
    pub(crate) fn new(receiver: IpcBytesReceiver, page: P) -> AnnouncedReceiver<P> {
        AnnouncedReceiver { receiver, page, sleeps: 1, early: None }
    }

    /// Has the worker ring when it sends its first packet, before there is a receiver for it.
    pub(crate) fn expect_first_packet(page: &SharedPage) {
        page.replies().reader_asleep.store(1, Ordering::SeqCst);
    }
}

impl<P: Deref<Target = SharedPage> + Send> PacketReceiver for AnnouncedReceiver<P> {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        self.early.take().unwrap_or_else(|| PacketReceiver::receive(&mut self.receiver))
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        match self.early.take() {
            Some(early) => early.map(Some),
            None => PacketReceiver::try_receive(&mut self.receiver),
        }
    }

    fn ask_for_ring(&mut self, wanted: bool) -> bool {
        let asleep = self.page.replies().reader_asleep;
        if !wanted {
            asleep.store(0, Ordering::Relaxed);
            return false;
        }
        self.sleeps += 1;
        asleep.store(self.sleeps, Ordering::Relaxed);
        full_fence();
        if self.early.is_none() {
            self.early = PacketReceiver::try_receive(&mut self.receiver).transpose();
        }
        self.early.is_some()
    }
}
