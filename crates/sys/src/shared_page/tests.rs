use std::os::fd::{AsRawFd, IntoRawFd};

use job::{BatchId, MonotonicInstant};

use super::*;

#[test]
fn other_side_sees_published_state() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!(parent.running(), None);

    worker.begin_job(BatchId(u64::from(u32::MAX) + 8), 3, Some(MonotonicInstant(42)));
    let running = parent.running().unwrap();
    assert!(running.belongs_to(BatchId(u64::from(u32::MAX) + 8)) && !running.belongs_to(BatchId(8)));
    assert_eq!((running.index, running.since), (3, MonotonicInstant(42)));

    assert!(!parent.alloc_failed());
    worker.note_alloc_failure();
    assert!(parent.alloc_failed());
    worker.begin_job(BatchId(8), 0, None);
    assert!(!parent.alloc_failed(), "another job failed");

    worker.end_batch();
    assert!(!parent.alloc_failed());
    worker.note_alloc_failure();
    assert!(parent.alloc_failed(), "failed between jobs");
    assert_eq!(parent.running(), None);
    parent.recall(BatchId(8));
    assert!(!worker.may_run(BatchId(7)) && worker.may_run(BatchId(8)));
    parent.halt();
    assert!(worker.is_halted() && !worker.may_run(BatchId(8)));
}

#[test]
fn recall_returns_running_job_or_job_begun_ahead() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!(parent.recall(BatchId(1)), None, "no job is running");
    worker.begin_job(BatchId(7), 3, None);
    assert!(worker.may_run(BatchId(7)));
    let last = parent.recall(BatchId(8)).unwrap();
    assert!(last.belongs_to(BatchId(7)) && last.index == 3);
    worker.begin_job(BatchId(7), 4, None);
    assert!(!worker.may_run(BatchId(7)));
    worker.withdraw_job(BatchId(7), 4);
    assert_eq!(parent.running().map(|running| running.index), Some(3));
    worker.withdraw_job(BatchId(7), 0);
    assert_eq!(parent.running(), None);

    worker.begin_job_ahead(BatchId(9), 6);
    worker.begin_job(BatchId(9), 2, None);
    assert_eq!(parent.recall(BatchId(10)).map(|last| last.index), Some(6));
    worker.begin_job(BatchId(11), 2, None);
    assert_eq!(
        parent.recall(BatchId(12)).map(|last| last.index),
        Some(2),
        "the job ahead is of another batch"
    );
}

#[test]
fn page_without_rings_saves_fewer_outcomes() {
    let (parent, fd) = SharedPage::create_without_rings().unwrap();
    assert!(SharedPage::is_page_fd(fd.as_raw_fd()));
    let worker = SharedPage::open(fd).unwrap();
    assert_eq!((worker.requests().capacity(), parent.replies().capacity()), (0, 0));
    assert!(worker.saved_capacity() < SharedPage::create().unwrap().0.saved_capacity());
    assert!(worker.save_outcome(BatchId(5), 0, &vec![7; worker.saved_capacity()]));
    assert!(!worker.save_outcome(BatchId(5), worker.saved_capacity(), b"x"));
    assert_eq!(parent.saved_outcomes().unwrap().bytes.len(), parent.saved_capacity());
}

#[test]
fn saved_outcomes_survive_the_worker() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    let saved_capacity = worker.saved_capacity();
    assert_eq!(parent.saved_outcomes(), None);
    assert!(worker.save_outcome(BatchId(5), 0, b"one") && worker.save_outcome(BatchId(5), 3, b"two"));
    let saved = parent.saved_outcomes().unwrap();
    assert!(saved.belongs_to(BatchId(5)) && !saved.belongs_to(BatchId(6)));
    assert_eq!((saved.from, &saved.bytes[..]), (0, &b"onetwo"[..]));

    worker.clear_saved(2);
    assert_eq!(parent.saved_outcomes(), None);
    assert!(!worker.save_outcome(BatchId(5), 0, &vec![0; saved_capacity + 1]));
    assert!(
        !worker.save_outcome(BatchId(5), saved_capacity, b"x")
            && !worker.save_outcome(BatchId(5), usize::MAX, b"x")
    );
    assert!(worker.save_outcome(BatchId(5), 0, &vec![7; saved_capacity]));
    assert_eq!(
        (parent.saved_outcomes().unwrap().from, parent.saved_outcomes().unwrap().bytes.len()),
        (2, saved_capacity)
    );
}

#[test]
fn saved_outcomes_that_are_overwritten_meanwhile_are_not_returned() {
    let (parent, fd) = SharedPage::create_without_rings().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    // All bytes of a period are equal, and the first ones give its batch and index.
    let pattern = |batch: u64, from: u32| (batch as u8).wrapping_mul(31) ^ from as u8;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for (batch, from) in (0..4_000u64).flat_map(|batch| [(batch, 0), (batch, 3)]) {
                worker.clear_saved(from);
                let outcome = vec![pattern(batch, from); 9_000];
                (0..5).for_each(|n| assert!(worker.save_outcome(BatchId(batch), n * 9_000, &outcome)));
            }
        });
        let mut found = 0;
        while !writer.is_finished() {
            let Some(saved) = parent.saved_outcomes() else { continue };
            let batch = (0..4_000).find(|&batch| saved.belongs_to(BatchId(batch))).unwrap();
            let expected = pattern(batch, saved.from);
            assert!(saved.bytes.iter().all(|&byte| byte == expected), "{batch}, {}", saved.from);
            found += 1;
        }
        assert!(found > 0, "nothing was read while the worker wrote");
    });
    assert_eq!(parent.saved_outcomes().unwrap().bytes.len(), 45_000);
}

#[test]
fn other_side_reads_bytes_copied_into_a_ring() {
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
fn close_wakes_the_worker() {
    let (parent, fd) = SharedPage::create().unwrap();
    let worker = SharedPage::open(fd).unwrap();
    assert!(!worker.is_closed());
    parent.close();
    assert_eq!(worker.doorbell().wait(), doorbell::Woken::Rung);
    assert!(worker.is_closed());
}

#[test]
fn rejects_descriptors_without_memory() {
    assert!(SharedPage::open(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    let (one, _other) = Doorbell::pair().unwrap();
    assert!(SharedPage::open(one.into()).is_err());
}

#[test]
fn adopts_inherited_page_once() {
    let (parent, fd) = SharedPage::create().unwrap();
    let number = fd.into_raw_fd();
    assert!(
        SharedPage::is_page_fd(number) && SharedPage::is_page_fd(number),
        "the check leaves the descriptor unchanged"
    );
    let worker = SharedPage::adopt(number).unwrap();
    worker.begin_job(BatchId(1), 5, None);
    assert_eq!(parent.running().unwrap().index, 5);
    assert!(SharedPage::adopt(number).is_err());
}

#[test]
fn adopt_leaves_other_descriptors_open() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(SharedPage::adopt(file.as_raw_fd()).is_err());
    assert!(file.metadata().is_ok());
    assert!(SharedPage::adopt(0).is_err() && SharedPage::adopt(-1).is_err());
}
