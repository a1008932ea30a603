use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use proptest::prelude::*;
use sys::page::Page;

use super::*;
use crate::{Closed, message::MAX_PACKET};

/// Both sides' memory and links.
fn pair() -> ((Arc<Page>, Link), (Arc<Page>, Link)) {
    let (parent, fd) = Page::create().unwrap();
    let (parent, worker) = (Arc::new(parent), Arc::new(Page::open(fd).unwrap()));
    ((parent.clone(), parent_link(parent)), (worker.clone(), worker_link(worker)))
}

#[test]
fn packets_of_any_length_come_out_as_they_went_in_while_both_sides_sleep_often() {
    let ((_parent, mut ours), (_worker, mut theirs)) = pair();
    // Of any length, of which one fits, or of lengths of which five do.
    let packet =
        |n: usize| vec![n as u8; n * 7919 % if n.is_multiple_of(6) { MAX_PACKET + 1 } else { 24 << 10 }];
    // The worker echoes, and waits for room: the parent only begins to receive when much has been sent.
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
fn what_was_sent_before_the_end_still_arrives() {
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
fn a_worker_takes_what_was_sent_before_the_ring_was_closed() {
    let ((_parent, ours), (_worker, mut theirs)) = pair();
    ours.sender.send(b"one").unwrap();
    drop(ours.sender);
    assert_eq!(theirs.receiver.receive().unwrap(), b"one");
    assert_eq!(theirs.receiver.receive(), Err(Closed::Gone));
}

#[test]
fn a_worker_that_waits_for_room_notices_the_end_of_its_parent() {
    let ((parent, ours), (_worker, theirs)) = pair();
    let sending = thread::spawn(move || while theirs.sender.send(&[7; MAX_PACKET]).is_ok() {});
    drop((ours, parent));
    sending.join().unwrap();
}

#[test]
fn more_than_there_is_room_for_is_an_error_of_the_parent_and_no_wait() {
    let ((parent, ours), _worker) = pair();
    let fits = parent.requests().capacity() / (MAX_PACKET + LENGTH);
    (0..fits).for_each(|_| ours.sender.send(&[0; MAX_PACKET]).unwrap());
    assert!(matches!(ours.sender.send(&[0; MAX_PACKET]), Err(Closed::Garbled(_))));
}

#[test]
fn a_packet_that_is_larger_than_the_ring_is_refused() {
    let (_parent, (worker, theirs)) = pair();
    let packet = vec![0; worker.replies().capacity()];
    assert!(matches!(theirs.sender.send(&packet), Err(Closed::Garbled(_))));
}

proptest! {
    /// Whatever a worker writes to all that it can write to, the parent gets packets or an error, and reads nothing else.
    #[test]
    fn a_spoilt_ring_is_an_error_and_nothing_else(
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
        let mut taken = 0;
        drop(worker);
        drop(theirs);
        while let Ok(packet) = ours.receiver.receive() {
            taken += packet.len() + LENGTH;
        }
        prop_assert!(taken <= parent.replies().capacity());
        let sent = ours.sender.send(b"another");
        prop_assert_eq!(sent.is_ok(), tail <= 7, "{:?}", sent);
    }
}
