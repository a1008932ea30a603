//! ipc-channel ends for a parent that waits for several workers at the same time.
//!
//! ipc-channel does not expose the descriptors of its sockets, so a parent cannot poll them together with
//! other descriptors. Instead, a worker rings the [doorbell](sys::doorbell) after sending a packet if the
//! parent has announced that it sleeps. Both sides follow the protocol of the [rings](crate::ring), except
//! that the sleeper looks for a packet in the socket where a ring compares positions.

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

/// Sending end of a worker.
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
        // The lock covers sending and checking, so that the last packet sent is followed by a check whether
        // the parent sleeps.
        let mut ringer = self.ringer.lock().unwrap_or_else(PoisonError::into_inner);
        PacketSender::send(&self.sender, packet)?;
        full_fence();
        if ringer.must_ring(self.page.replies().reader_asleep.load(Ordering::Relaxed)) {
            self.page.doorbell().ring();
        }
        Ok(())
    }
}

/// Receiving end of a parent, for one worker.
pub(crate) struct AnnouncedReceiver<P> {
    receiver: IpcBytesReceiver,
    page: P,
    /// Number of sleeps so far.
    sleeps: u64,
    /// Packet or error that was found just before sleeping. ipc-channel returns an error only once.
    pending: Option<Result<Vec<u8>, Closed>>,
}

impl<P: Deref<Target = SharedPage>> AnnouncedReceiver<P> {
    pub(crate) fn new(receiver: IpcBytesReceiver, page: P) -> AnnouncedReceiver<P> {
        AnnouncedReceiver { receiver, page, sleeps: 1, pending: None }
    }

    /// Makes the worker ring when it sends its first packet. Called before the receiver exists.
    pub(crate) fn expect_first_packet(page: &SharedPage) {
        page.replies().reader_asleep.store(1, Ordering::SeqCst);
    }
}

impl<P: Deref<Target = SharedPage> + Send> PacketReceiver for AnnouncedReceiver<P> {
    fn receive(&mut self) -> Result<Vec<u8>, Closed> {
        self.pending.take().unwrap_or_else(|| PacketReceiver::receive(&mut self.receiver))
    }

    fn try_receive(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        match self.pending.take() {
            Some(pending) => pending.map(Some),
            None => PacketReceiver::try_receive(&mut self.receiver),
        }
    }

    fn request_ring(&mut self, wanted: bool) -> bool {
        let asleep = self.page.replies().reader_asleep;
        if !wanted {
            asleep.store(0, Ordering::Relaxed);
            return false;
        }
        self.sleeps += 1;
        asleep.store(self.sleeps, Ordering::Relaxed);
        full_fence();
        if self.pending.is_none() {
            self.pending = PacketReceiver::try_receive(&mut self.receiver).transpose();
        }
        self.pending.is_some()
    }
}
