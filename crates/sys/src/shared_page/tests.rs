use std::os::fd::{AsRawFd, IntoRawFd};

use super::*;

#[test]
fn what_one_side_publishes_the_other_sees() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!(parent.running(), None);

    worker.enter(BatchId(u64::from(u32::MAX) + 8), 3, Some(MonotonicInstant(42)));
    let running = parent.running().unwrap();
    assert!(running.is_in(BatchId(u64::from(u32::MAX) + 8)) && !running.is_in(BatchId(8)));
    assert_eq!((running.index, running.since), (3, MonotonicInstant(42)));

    assert!(!parent.alloc_failed());
    worker.note_alloc_failure();
    assert!(parent.alloc_failed());
    worker.enter(BatchId(8), 0, None);
    assert!(!parent.alloc_failed(), "that was another job");

    worker.leave();
    assert!(!parent.alloc_failed());
    worker.note_alloc_failure();
    assert!(parent.alloc_failed(), "while it received the next one");
    assert_eq!(parent.running(), None);
    parent.recall(BatchId(8));
    assert!(!worker.may_go_on(BatchId(7)) && worker.may_go_on(BatchId(8)));
    parent.halt();
    assert!(worker.is_halted() && !worker.may_go_on(BatchId(8)));
}

#[test]
fn a_recalled_worker_has_begun_with_the_job_that_it_is_in_or_one_ahead_of_it() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!(parent.recall(BatchId(1)), None, "it is in no job");
    worker.enter(BatchId(7), 3, None);
    assert!(worker.may_go_on(BatchId(7)));
    let begun = parent.recall(BatchId(8)).unwrap();
    assert!(begun.is_in(BatchId(7)) && begun.index == 3);
    worker.enter(BatchId(7), 4, None);
    assert!(!worker.may_go_on(BatchId(7)));
    worker.step_back(BatchId(7), 4);
    assert_eq!(parent.running().map(|running| running.index), Some(3));
    worker.step_back(BatchId(7), 0);
    assert_eq!(parent.running(), None);

    worker.enter_ahead(BatchId(9), 6);
    worker.enter(BatchId(9), 2, None);
    assert_eq!(parent.recall(BatchId(10)).map(|begun| begun.index), Some(6));
    worker.enter(BatchId(11), 2, None);
    assert_eq!(parent.recall(BatchId(12)).map(|begun| begun.index), Some(2), "that was another batch");
}

#[test]
fn a_page_without_rings_is_recognised_and_keeps_less() {
    let (parent, fd) = SharedPage::create_without_rings().unwrap();
    assert!(SharedPage::is_at(fd.as_raw_fd()));
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!((worker.requests().capacity(), parent.replies().capacity()), (0, 0));
    assert!(worker.arena_size() < SharedPage::create().unwrap().0.arena_size());
    assert!(worker.keep(BatchId(5), 0, &vec![7; worker.arena_size()]));
    assert!(!worker.keep(BatchId(5), worker.arena_size(), b"x"));
    assert_eq!(parent.kept().unwrap().bytes.len(), parent.arena_size());
}

#[test]
fn what_a_worker_keeps_survives_it() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    let arena_size = worker.arena_size();
    assert_eq!(parent.kept(), None);
    assert!(worker.keep(BatchId(5), 0, b"one") && worker.keep(BatchId(5), 3, b"two"));
    let kept = parent.kept().unwrap();
    assert!(kept.is_of(BatchId(5)) && !kept.is_of(BatchId(6)));
    assert_eq!((kept.from, &kept.bytes[..]), (0, &b"onetwo"[..]));

    worker.keep_from(2);
    assert_eq!(parent.kept(), None);
    assert!(!worker.keep(BatchId(5), 0, &vec![0; arena_size + 1]));
    assert!(!worker.keep(BatchId(5), arena_size, b"x") && !worker.keep(BatchId(5), usize::MAX, b"x"));
    assert!(worker.keep(BatchId(5), 0, &vec![7; arena_size]));
    assert_eq!((parent.kept().unwrap().from, parent.kept().unwrap().bytes.len()), (2, arena_size));
}

#[test]
fn what_one_side_puts_into_a_ring_the_other_takes_out() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    for (producer, consumer) in [(parent.requests(), worker.requests()), (worker.replies(), parent.replies())]
    {
        let start = producer.capacity() as u64 - 3;
        producer.copy_in(start, b"across the end");
        producer.head.store(start + 14, Ordering::Release);
        let mut read = Vec::new();
        consumer.copy_out(start, (consumer.head.load(Ordering::Acquire) - start) as usize, &mut read);
        assert_eq!(read, b"across the end");
    }
}

#[test]
fn a_closed_ring_wakes_the_worker() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert!(!worker.is_closed());
    parent.close();
    assert_eq!(worker.door().wait(), doorbell::Woken::Rung);
    assert!(worker.is_closed());
}

#[test]
fn a_descriptor_that_brings_no_memory_is_refused() {
    assert!(SharedPage::open(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    let (one, _other) = Doorbell::pair().unwrap();
    assert!(SharedPage::open(one.into()).is_err());
}

#[test]
fn an_inherited_page_is_opened_by_number_and_once() {
    let (parent, fd) = SharedPage::create().unwrap();
    let number = fd.into_raw_fd();
    assert!(SharedPage::is_at(number) && SharedPage::is_at(number), "looking at it changes nothing");
    let worker = SharedPage::adopt(number).unwrap();
    worker.enter(BatchId(1), 5, None);
    assert_eq!(parent.running().unwrap().index, 5);
    assert!(SharedPage::adopt(number).is_err());
}

#[test]
fn a_descriptor_that_is_no_page_is_left_open() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(SharedPage::adopt(file.as_raw_fd()).is_err());
    assert!(file.metadata().is_ok());
    assert!(SharedPage::adopt(0).is_err() && SharedPage::adopt(-1).is_err());
}
