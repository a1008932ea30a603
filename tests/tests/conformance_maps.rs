//! Conformance: `map`. Each test name starts with the id of its row.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use end_to_end::{
    Case, on_all, on_pools,
    probe::{Barrier, Probe, TIMEOUT, finish, line_count, probe_error, processes},
};
use pool::{Executor, JobError, error::SubmitError, settings::JobOptions};

fn outputs<E: Executor<Probe>>(executor: &E, jobs: impl IntoIterator<Item = Probe>) -> Vec<Option<u64>> {
    executor.map(jobs).map(Result::ok).collect()
}

fn bad() -> Probe {
    Probe::Fail(probe_error(1, ""))
}

#[test]
fn map_01_outputs_come_in_the_order_of_the_items() {
    let _case = Case::begin();
    on_all!(|executor| {
        let doubled = outputs(&executor, (0..5000).map(Probe::Double));
        assert!(doubled.into_iter().eq((0..5000).map(|n| Some(2 * n))));
    });
}

#[test]
fn map_01b_the_order_does_not_depend_on_the_batch_size() {
    let _case = Case::begin();
    on_all!(|executor| {
        for batch in [1, 2, 7, 50, 100] {
            let map = executor.map((0..50).map(Probe::Double)).chunk_size(batch);
            assert!(map.map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
            let map = executor.map((0..50).map(Probe::Double)).chunk_size(batch).buffer(3);
            assert!(map.map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        }
    });
    let executor = processes(1);
    let map = executor.map((0..40).map(Probe::Double)).chunk_size(10);
    assert_eq!(map.into_iter().count(), 40);
    finish(&executor);
    assert_eq!(executor.worker_stats()[0].batches, 4, "each batch has ten jobs");
}

#[test]
fn map_03_zero_and_one_item_work_with_and_without_a_buffer() {
    let _case = Case::begin();
    on_all!(|executor| {
        for count in [0, 1] {
            let jobs = || (0..count).map(Probe::Double);
            assert_eq!(outputs(&executor, jobs()), vec![Some(0); count as usize]);
            assert_eq!(executor.map(jobs()).buffer(3).count(), count as usize);
            assert_eq!(executor.map(jobs()).unbuffered().count(), count as usize);
        }
    });
}

#[test]
fn map_04a_a_failure_is_returned_in_its_place() {
    let _case = Case::begin();
    on_all!(|executor| {
        let got = outputs(&executor, [Probe::Double(1), bad(), Probe::Double(2)]);
        assert_eq!(got, [Some(2), None, Some(4)]);
    });
}

#[test]
fn map_04b_other_jobs_in_the_batch_of_a_failure_have_outputs() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = (0..9).map(|n| if n % 4 == 2 { bad() } else { Probe::Double(n) });
        let got: Vec<Option<u64>> = executor.map(jobs).chunk_size(3).map(Result::ok).collect();
        let wanted: Vec<Option<u64>> = (0..9).map(|n| (n % 4 != 2).then_some(2 * n)).collect();
        assert_eq!(got, wanted);
    });
}

#[test]
fn map_04c_iteration_continues_after_a_failure() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = (0..9).map(|n| if n == 0 { bad() } else { Probe::Double(n) });
        let mut iterator = executor.map(jobs).buffer(2).start();
        assert_eq!(iterator.by_ref().filter(Result::is_ok).count(), 8);
        assert!(iterator.next().is_none() && iterator.next().is_none());
    });
}

#[test]
fn map_05_a_jobs_own_time_limit_is_not_the_maps_deadline() {
    let _case = Case::begin();
    let executor = processes(1);
    let barrier = Barrier::new();
    let mut iterator = executor
        .map([barrier.hold(), Probe::Double(1)])
        .options(JobOptions::new().time_limit(Duration::from_millis(50)))
        .timeout(TIMEOUT)
        .start();
    assert!(matches!(iterator.next(), Some(Err(JobError::TimedOut(_)))));
    assert!(matches!(iterator.next(), Some(Ok(2))));
    drop(iterator);
    finish(&executor);
}

#[test]
fn map_06a_results_before_the_deadline_are_returned() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        assert_eq!(outputs(&executor, [Probe::Double(0)]), [Some(0)], "a worker has started");
        let mut iterator =
            executor.map([Probe::Double(1), barrier.hold()]).timeout(Duration::from_secs(1)).start();
        assert!(matches!(iterator.next(), Some(Ok(2))));
        assert!(matches!(iterator.next(), Some(Err(JobError::NotReady))));
        barrier.release();
    });
}

#[test]
fn map_06b_the_awaited_job_is_cancelled() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let (barrier, file) = (Barrier::new(), Barrier::new().file("ran"));
        let held = executor.submit(barrier.hold()).unwrap();
        barrier.wait_for_held(1);
        let mut iterator =
            executor.map([Probe::Mark(file.clone())]).timeout(Duration::from_millis(20)).start();
        assert!(matches!(iterator.next(), Some(Err(JobError::NotReady))));
        barrier.release();
        held.result_timeout(TIMEOUT).unwrap();
        executor.join();
        assert_eq!(line_count(&file), 0);
    });
}

#[test]
fn map_06c_after_the_deadline_the_iterator_is_exhausted() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let late = barrier.file("late");
        let jobs = [barrier.hold(), Probe::Mark(late.clone())];
        let mut iterator = executor.map(jobs).timeout(Duration::from_millis(20)).start();
        assert!(matches!(iterator.next(), Some(Err(JobError::NotReady))));
        assert!(iterator.next().is_none() && iterator.next().is_none());
        barrier.release();
        executor.join();
        assert_eq!(line_count(&late), 0, "a cancelled job ran");
    });
}

#[test]
fn map_07_closing_ends_a_partly_consumed_iterator_and_cancels() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let barrier = Barrier::new();
        let late = barrier.file("late");
        let jobs = [Probe::Double(1), barrier.hold(), Probe::Mark(late.clone())];
        let mut iterator = executor.map(jobs).start();
        assert!(matches!(iterator.next(), Some(Ok(2))));
        barrier.wait_for_held(1);
        iterator.close();
        assert!(iterator.next().is_none());
        barrier.release();
        executor.join();
        assert_eq!(line_count(&late), 0);
    });
}

#[test]
fn map_07b_closing_in_the_middle_of_a_batch_ends_the_iterator_for_good() {
    let _case = Case::begin();
    on_all!(|executor| {
        let mut iterator = executor.map((0..20).map(Probe::Double)).chunk_size(5).start();
        assert_eq!(iterator.by_ref().take(2).count(), 2);
        iterator.close();
        assert!(iterator.next().is_none() && iterator.next().is_none());
    });
}

#[test]
fn map_08_an_unbuffered_map_runs_all_jobs_without_iteration() {
    let _case = Case::begin();
    on_all!(|executor| {
        let barrier = Barrier::new();
        let file = barrier.file("ran");
        drop(executor.map((0..3000).map(|_| Probe::Mark(file.clone()))).unbuffered().start());
        executor.join();
        assert_eq!(line_count(&file), 3000);
    });
}

#[test]
fn map_09a_the_buffer_is_pulled_and_then_one_item_per_output() {
    let _case = Case::begin();
    on_all!(|executor| {
        let pulled = Cell::new(0);
        let items = (0..100).inspect(|_| pulled.set(pulled.get() + 1)).map(Probe::Double);
        let mut iterator = executor.map(items).buffer(7).start();
        assert_eq!(pulled.get(), 7);
        for taken in 1..=10 {
            assert_eq!(iterator.next().unwrap().unwrap(), 2 * (taken - 1));
            assert_eq!(pulled.get(), 7 + taken);
        }
    });
}

#[test]
fn map_09b_endless_inputs_work() {
    let _case = Case::begin();
    on_all!(|executor| {
        let endless = executor.map((0..).map(Probe::Double)).buffer(4).start();
        assert!(endless.take(50).map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        assert_eq!(executor.map((0..).map(Probe::Double)).take(50).count(), 50);
    });
}

#[test]
fn map_09c_any_buffer_gives_the_whole_output() {
    let _case = Case::begin();
    on_all!(|executor| {
        for buffer in [1, 2, 49, 50, 51, 1000] {
            let map = executor.map((0..50).map(Probe::Double)).buffer(buffer);
            assert!(map.map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        }
    });
}

#[test]
fn map_09d_the_default_buffer_grows_behind_a_slow_job() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let barrier = Barrier::new();
        // The first job is held until more jobs follow it than the buffer initially holds.
        let items = (0..10_000).inspect(|&item| {
            if item == 6_000 {
                barrier.release();
            }
        });
        let map =
            executor.map(items.map(|item| if item == 0 { barrier.hold() } else { Probe::Double(item) }));
        assert_eq!(map.into_iter().flatten().count(), 10_000);
    });
}

#[test]
fn map_10_a_panicking_input_unwinds_and_leaves_the_pool_usable() {
    let _case = Case::begin();
    on_all!(|executor| {
        let items = (0..10).map(|n| if n < 3 { Probe::Double(n) } else { panic!("no more items") });
        let broken = catch_unwind(AssertUnwindSafe(|| executor.map(items).count()));
        assert!(broken.is_err());
        assert_eq!(outputs(&executor, [Probe::Double(4)]), [Some(8)]);
    });
}

#[test]
fn map_12_a_stop_while_outputs_are_read_is_reported() {
    let _case = Case::begin();
    let executor = processes(1);
    let barrier = Barrier::new();
    let mut iterator = executor.map((0..).map(|_| barrier.hold())).buffer(2).start();
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait_for_held(1);
            executor.stop(Duration::ZERO);
        });
        assert!(matches!(iterator.next(), Some(Err(JobError::Cancelled))));
    });
    assert!(matches!(iterator.next(), Some(Err(JobError::Cancelled))));
    assert!(matches!(iterator.next(), Some(Err(JobError::Refused(SubmitError::Closed)))));
    assert!(iterator.next().is_none());
    drop(iterator);
    finish(&executor);
}

#[test]
fn map_13_maps_and_submits_overlap_on_one_pool() {
    let _case = Case::begin();
    on_all!(|executor| {
        let mut one = executor.map((0..200).map(Probe::Double)).buffer(5).start();
        let mut two = executor.map((1000..1200).map(Probe::Double)).buffer(9).start();
        for n in 0..200 {
            let single = executor.submit(Probe::Double(n)).unwrap();
            assert_eq!(one.next().unwrap().unwrap(), 2 * n);
            assert_eq!(two.next().unwrap().unwrap(), 2000 + 2 * n);
            assert_eq!(single.result_timeout(TIMEOUT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn map_13b_an_unordered_map_returns_each_output_once_with_its_index() {
    let _case = Case::begin();
    on_all!(|executor| {
        for buffer in [1, 3, 1000] {
            let map = executor.map_unordered((0..300).map(Probe::Double)).buffer(buffer);
            let mut outputs: Vec<(usize, u64)> =
                map.map(|(index, output)| (index, output.unwrap())).collect();
            outputs.sort_unstable();
            assert!(outputs.into_iter().eq((0..300).map(|n| (n, 2 * n as u64))));
        }
    });
}

#[test]
fn map_13c_an_unordered_map_overtakes_slow_jobs_and_keeps_its_deadline() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let barrier = Barrier::new();
        let jobs = [barrier.hold(), Probe::Double(1), Probe::Double(2)];
        assert_eq!(outputs(&executor, [Probe::Double(0)]), [Some(0)], "a worker has started");
        let mut iterator = executor.map_unordered(jobs).timeout(Duration::from_secs(1)).start();
        assert!(matches!(iterator.next(), Some((1, Ok(2)))));
        assert!(matches!(iterator.next(), Some((2, Ok(4)))));
        assert!(matches!(iterator.next(), Some((_, Err(JobError::NotReady)))));
        assert!(iterator.next().is_none());
        barrier.release();
    });
}
