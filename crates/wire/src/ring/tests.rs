use std::{
    os::fd::AsFd,
    sync::{Arc, atomic::Ordering},
    thread,
};

use proptest::prelude::*;
use sys::{doorbell::Woken, payload::Payload, shared_page::SharedPage};

use super::{layout::LENGTH_SIZE, *};
use crate::{
    Closed, Inbox, Message, Outbox, Tag,
    message::{MAX_PACKET_SIZE, MIN_FILE_SIZE, file_packet},
    send,
};

/// Memory and link of the parent, and those of the worker.
fn pair() -> ((Arc<SharedPage>, Link), (Arc<SharedPage>, Link)) {
    let (parent, fd) = SharedPage::create().unwrap();
    let (parent, worker) = (Arc::new(parent), Arc::new(SharedPage::open(fd).unwrap()));
    ((parent.clone(), parent_link(parent)), (worker.clone(), worker_link(worker)))
}

#[test]
fn packets_of_any_length_arrive_while_both_sides_sleep_often() {
    let ((_parent, mut ours), (_worker, mut theirs)) = pair();
    // Every sixth packet has any length up to the maximum, of which one fits into a ring; of the others five
    // fit.
    let packet =
        |n: usize| vec![n as u8; n * 7919 % if n.is_multiple_of(6) { MAX_PACKET_SIZE + 1 } else { 24 << 10 }];
    // The worker echoes packets and waits for room, since the parent receives only after sending several
    // packets.
    let echo = thread::spawn(move || {
        let mut count = 0;
        while let Ok(packet) = theirs.receiver.receive() {
            theirs.sender.send(&packet).unwrap();
            count += 1;
        }
        count
    });
    for round in 0..500 {
        for numbers in [6 * round..6 * round + 1, 6 * round + 1..6 * round + 6] {
            numbers.clone().for_each(|n| ours.sender.send(&packet(n)).unwrap());
            numbers.for_each(|n| assert_eq!(ours.receiver.receive().unwrap(), packet(n)));
        }
    }
    drop(ours.sender);
    assert_eq!(echo.join().unwrap(), 3000);
}

#[test]
fn receives_packets_sent_before_the_peer_exited() {
    let ((parent, mut ours), (worker, theirs)) = pair();
    theirs.sender.send(b"one").unwrap();
    theirs.sender.send(b"two").unwrap();
    drop((worker, theirs));
    assert_eq!(ours.receiver.receive().unwrap(), b"one");
    assert_eq!(ours.receiver.receive().unwrap(), b"two");
    assert_eq!(ours.receiver.receive(), Err(Closed::Gone));
    assert_eq!(ours.receiver.receive(), Err(Closed::Gone));
    drop(parent);
}

#[test]
fn large_messages_are_sent_as_files_in_order() {
    let ((parent, ours), (worker, theirs)) = pair();
    let message = |length: usize| {
        let mut message = Message::new(Tag::Outcomes);
        message.extend(&(0..length).map(|n| (n % 251) as u8).collect::<Vec<_>>());
        message
    };
    let lengths = [5, MIN_FILE_SIZE - 1, 3 << 20, 7, MIN_FILE_SIZE - 2];
    let (mut outbox, mut from_parent) =
        (Outbox::with_capacity(ours.sender, parent.requests().capacity()), Inbox::new(theirs.receiver));
    let mut from_worker = Inbox::new(ours.receiver);
    for length in lengths {
        outbox.send(Message::from_parts(Tag::Outcomes, &[], &[message(length).body()])).unwrap();
        let part_received = || {
            assert!(outbox.part_received());
            Ok(())
        };
        let received = from_parent.receive(part_received).unwrap();
        assert!(received == message(length) && outbox.answered(), "{length}");
        assert_eq!(received.as_file().is_some(), length + 1 >= MIN_FILE_SIZE);
    }
    let sending = thread::spawn(move || {
        lengths.into_iter().for_each(|length| send(&*theirs.sender, message(length)).unwrap());
        drop(worker);
    });
    for length in lengths {
        let received = from_worker.receive(|| Ok(())).unwrap();
        assert_eq!(received, message(length));
        assert_eq!(received.as_file().is_some(), length + 1 >= MIN_FILE_SIZE);
    }
    sending.join().unwrap();
}

#[test]
fn second_receiver_is_rung_for_each_of_its_sleeps() {
    let (parent, fd) = SharedPage::create().unwrap();
    let (parent, worker) = (Arc::new(parent), Arc::new(SharedPage::open(fd).unwrap()));
    // The receiver of the handshake has slept, and its last sleep is still published when the first packet is
    // sent.
    parent.replies().reader_asleep.store(2, Ordering::SeqCst);
    let theirs = worker_link(worker);
    theirs.sender.send(b"first").unwrap();
    assert_eq!(parent.doorbell().try_wait(), Some(Woken::Rung));
    let mut ours = parent_link(parent.clone());
    assert_eq!(ours.receiver.try_receive().unwrap().unwrap(), b"first");
    for _ in 0..5 {
        // A sleep that ends without a ring.
        assert!(!ours.receiver.request_ring(true));
        assert!(!ours.receiver.request_ring(false));
        assert!(!ours.receiver.request_ring(true));
        theirs.sender.send(b"next").unwrap();
        assert_eq!(parent.doorbell().try_wait(), Some(Woken::Rung));
        assert_eq!(ours.receiver.try_receive().unwrap().unwrap(), b"next");
    }
}

#[test]
fn rejects_missing_and_unexpected_files() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let short = Payload::create(&[b"short"]).unwrap();
    for descriptor in [None, Some(null.as_fd()), Some(short.as_fd())] {
        let ((_parent, ours), (worker, theirs)) = pair();
        descriptor.into_iter().for_each(|descriptor| worker.doorbell().send(&[descriptor]).unwrap());
        theirs.sender.send(&file_packet(1 << 20)).unwrap();
        assert!(matches!(Inbox::new(ours.receiver).try_message(), Err(Closed::Malformed(_))));
    }
}

#[test]
fn worker_receives_packets_sent_before_the_ring_was_closed() {
    let ((_parent, ours), (_worker, mut theirs)) = pair();
    ours.sender.send(b"one").unwrap();
    drop(ours.sender);
    assert_eq!(theirs.receiver.receive().unwrap(), b"one");
    assert_eq!(theirs.receiver.receive(), Err(Closed::Gone));
}

#[test]
fn worker_waiting_for_room_returns_when_the_parent_exits() {
    let ((parent, ours), (_worker, theirs)) = pair();
    let sending = thread::spawn(move || while theirs.sender.send(&[7; MAX_PACKET_SIZE]).is_ok() {});
    drop((ours, parent));
    sending.join().unwrap();
}

#[test]
fn parent_returns_an_error_instead_of_waiting_for_room() {
    let ((parent, ours), _worker) = pair();
    let fits = parent.requests().capacity() / (MAX_PACKET_SIZE + LENGTH_SIZE);
    (0..fits).for_each(|_| ours.sender.send(&[0; MAX_PACKET_SIZE]).unwrap());
    assert!(matches!(ours.sender.send(&[0; MAX_PACKET_SIZE]), Err(Closed::Malformed(_))));
}

#[test]
fn rejects_packets_larger_than_the_ring() {
    let (_parent, (worker, theirs)) = pair();
    let packet = vec![0; worker.replies().capacity()];
    assert!(matches!(theirs.sender.send(&packet), Err(Closed::Malformed(_))));
}

proptest! {
    /// If a worker overwrites the memory that it can write to, the parent receives packets or an error, and
    /// reads nothing outside the ring.
    #[test]
    fn corrupted_ring_yields_packets_or_an_error(
        head in prop_oneof![any::<u64>(), 0u64..1 << 20],
        tail: u64,
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let ((parent, mut ours), (worker, theirs)) = pair();
        ours.sender.send(b"job").unwrap();
        let replies = worker.replies();
        replies.copy_in(0, &bytes);
        replies.head.store(head, Ordering::Release);
        worker.requests().tail.store(tail, Ordering::Release);
        let mut received = 0;
        drop(worker);
        drop(theirs);
        while let Ok(packet) = ours.receiver.receive() {
            received += packet.len() + LENGTH_SIZE;
        }
        prop_assert!(received <= parent.replies().capacity());
        let sent = ours.sender.send(b"another");
        prop_assert_eq!(sent.is_ok(), tail <= 7, "{:?}", sent);
    }
}
