//! Arbitrary writes of a worker to the memory that it shares with its parent: the parent receives packets or
//! an error, reads no other memory, and sends no more than fits.

#![no_main]

use std::sync::{Arc, atomic::Ordering};

use libfuzzer_sys::fuzz_target;
use sys::shared_page::SharedPage;
use wire::ring::parent_link;

/// Removes up to eight bytes and returns them as a number.
fn number(rest: &mut &[u8]) -> u64 {
    let (bytes, after) = rest.split_at((rest.len()).min(8));
    *rest = after;
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fuzz_target!(|input: &[u8]| {
    let (parent, fd) = SharedPage::create().expect("cannot create the shared page");
    let worker = SharedPage::open(fd).expect("cannot open the shared page");
    let parent = Arc::new(parent);
    let mut link = parent_link(parent.clone());
    let mut rest = input;
    let mut has_failed = false;
    while !rest.is_empty() && !has_failed {
        let what = rest[0];
        rest = &rest[1..];
        let (replies, requests) = (worker.replies(), worker.requests());
        match what % 5 {
            0 => replies.head.store(number(&mut rest), Ordering::Release),
            1 => requests.tail.store(number(&mut rest), Ordering::Release),
            2 => {
                let position = number(&mut rest) % (2 * replies.capacity() as u64);
                let bytes = &rest[..rest.len().min(usize::from(what))];
                replies.copy_in(position, bytes);
                rest = &rest[bytes.len()..];
            }
            3 => {
                // A step that a correct worker could make.
                let head = replies.head.load(Ordering::Relaxed);
                replies.head.store(head.wrapping_add(number(&mut rest) % 4096), Ordering::Release);
            }
            _ => {
                let sent = link.sender.send(&vec![7; usize::from(what) * 64]);
                let head = requests.head.load(Ordering::Relaxed);
                let tail = requests.tail.load(Ordering::Relaxed);
                assert!(sent.is_err() || head.wrapping_sub(tail) <= requests.capacity() as u64);
            }
        }
        loop {
            match link.receiver.try_receive() {
                Ok(Some(packet)) => assert!(packet.len() <= replies.capacity()),
                Ok(None) => break,
                Err(_) => {
                    has_failed = true;
                    break;
                }
            }
        }
    }
});
