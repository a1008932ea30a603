//! Requests of a worker for files of its parent that its jobs refer to.
//!
//! A worker opens such a file in `/proc`, as a descriptor of its parent. A worker in a sandbox cannot:
//! Landlock forbids access to processes outside. It requests the descriptor by a [message](Tag::FileRequest)
//! instead, and waits until the parent answers through the doorbell. The parent gives a worker the files that
//! jobs refer to that it has sent to this worker, and no others.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Mutex, OnceLock, PoisonError},
};

use sys::shared_page::SharedPage;

use crate::{Message, PacketSender, Tag, send};

/// The link by which this process requests files, if it must.
static LINK: OnceLock<RequestLink> = OnceLock::new();

struct RequestLink {
    sender: &'static dyn PacketSender,
    page: &'static SharedPage,
    /// Held from a request to its answer.
    turn: Mutex<()>,
}

/// Makes this process, a worker, request files that its jobs refer to, instead of opening them.
pub fn request_files(sender: &'static dyn PacketSender, page: &'static SharedPage) {
    let _ = LINK.set(RequestLink { sender, page, turn: Mutex::new(()) });
}

/// Returns the parent's file with this descriptor; `None` if this process opens files itself.
pub(crate) fn requested(descriptor: u32) -> Option<io::Result<OwnedFd>> {
    Some(LINK.get()?.request(descriptor))
}

impl RequestLink {
    fn request(&self, descriptor: u32) -> io::Result<OwnedFd> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut message = Message::new(Tag::FileRequest);
        message.extend(&descriptor.to_le_bytes());
        send(self.sender, message).map_err(io::Error::other)?;
        self.page.doorbell().wait_for_answer().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Returns the descriptor that a worker requests; `None` if the message is malformed.
#[must_use]
pub fn requested_descriptor(message: &Message) -> Option<u32> {
    message.body().try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd};

    use super::*;
    use crate::{Inbox, memory_pair};

    #[test]
    fn a_request_is_answered_by_a_file_or_refused() {
        let (parent, fd) = SharedPage::create_without_rings().unwrap();
        let page: &'static SharedPage = Box::leak(Box::new(SharedPage::open(fd).unwrap()));
        let (ours, theirs) = memory_pair();
        let link = RequestLink { sender: Box::leak(theirs.sender), page, turn: Mutex::new(()) };
        let mut inbox = Inbox::new(ours.receiver);
        let mut serve = |answer: Option<&File>| {
            let message = inbox.receive(|| Ok(())).unwrap();
            assert_eq!(message.tag(), Some(Tag::FileRequest));
            parent.doorbell().ring();
            parent.doorbell().answer(answer.map(AsFd::as_fd)).unwrap();
            requested_descriptor(&message)
        };
        let null = File::open("/dev/null").unwrap();
        std::thread::scope(|scope| {
            let request = scope.spawn(|| link.request(7));
            assert_eq!(serve(Some(&null)), Some(7));
            assert!(request.join().unwrap().is_ok());
            let request = scope.spawn(|| link.request(8));
            assert_eq!(serve(None), Some(8));
            assert_eq!(request.join().unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
        });
    }
}
