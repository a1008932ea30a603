//! Conformance: `map`. Each test carries its row's id.

#![allow(clippy::unwrap_used)]

use std::{
    cell::Cell,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use end_to_end::{
    Case, on_all, on_pools,
    probe::{LIMIT, Probe, Stage, finish, marks, mishap, processes},
};
use pool::{Executor, JobError, ResultError, SubmitError};

fn outputs<E: Executor<Probe>>(executor: &E, jobs: impl IntoIterator<Item = Probe>) -> Vec<Option<u64>> {
    executor.map(jobs).into_iter().map(Result::ok).collect()
}

fn size(jobs: usize) -> NonZeroUsize {
    NonZeroUsize::new(jobs).unwrap()
}

fn bad() -> Probe {
    Probe::Fail(mishap(1, ""))
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
fn map_01b_batches_of_any_size_give_the_same_sequence() {
    let _case = Case::begin();
    on_all!(|executor| {
        for batch in [1, 2, 7, 50, 100] {
            let map = executor.map((0..50).map(Probe::Double)).chunk_size(size(batch));
            assert!(map.into_iter().map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
            let map = executor.map((0..50).map(Probe::Double)).chunk_size(size(batch)).buffer(size(3));
            assert!(map.into_iter().map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        }
    });
    let executor = processes(1);
    let map = executor.map((0..40).map(Probe::Double)).chunk_size(size(10));
    assert_eq!(map.into_iter().count(), 40);
    finish(&executor);
    assert_eq!(executor.worker_stats()[0].batches, 4, "ten jobs went into each batch");
}

#[test]
fn map_03_nothing_and_one_item_work_with_and_without_a_buffer() {
    let _case = Case::begin();
    on_all!(|executor| {
        for count in [0, 1] {
            let jobs = || (0..count).map(Probe::Double);
            assert_eq!(outputs(&executor, jobs()), vec![Some(0); count as usize]);
            assert_eq!(executor.map(jobs()).buffer(size(3)).into_iter().count(), count as usize);
            assert_eq!(executor.map(jobs()).unbuffered().into_iter().count(), count as usize);
        }
    });
}

#[test]
fn map_04a_a_failure_stands_in_its_place_after_earlier_results() {
    let _case = Case::begin();
    on_all!(|executor| {
        let got = outputs(&executor, [Probe::Double(1), bad(), Probe::Double(2)]);
        assert_eq!(got, [Some(2), None, Some(4)]);
    });
}

#[test]
fn map_04b_the_siblings_of_a_failure_in_a_batch_still_yield() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = (0..9).map(|n| if n % 4 == 2 { bad() } else { Probe::Double(n) });
        let got: Vec<Option<u64>> =
            executor.map(jobs).chunk_size(size(3)).into_iter().map(Result::ok).collect();
        let wanted: Vec<Option<u64>> = (0..9).map(|n| (n % 4 != 2).then_some(2 * n)).collect();
        assert_eq!(got, wanted);
    });
}

#[test]
fn map_04c_after_a_failure_items_keep_coming_and_then_no_more() {
    let _case = Case::begin();
    on_all!(|executor| {
        let jobs = (0..9).map(|n| if n == 0 { bad() } else { Probe::Double(n) });
        let mut iterator = executor.map(jobs).buffer(size(2)).into_iter();
        assert_eq!(iterator.by_ref().filter(Result::is_ok).count(), 8);
        assert!(iterator.next().is_none() && iterator.next().is_none());
    });
}

#[test]
fn map_05_a_jobs_own_time_limit_is_not_the_maps_deadline() {
    let _case = Case::begin();
    let executor = processes(1);
    let stage = Stage::new();
    let mut iterator = executor
        .map([stage.hold(), Probe::Double(1)])
        .time_limit(Duration::from_millis(50))
        .timeout(LIMIT)
        .into_iter();
    assert!(matches!(iterator.next(), Some(Err(ResultError::Failed(JobError::TimedOut { .. })))));
    assert!(matches!(iterator.next(), Some(Ok(2))));
    drop(iterator);
    finish(&executor);
}

#[test]
fn map_06a_what_is_ready_before_the_deadline_is_delivered() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        assert_eq!(outputs(&executor, [Probe::Double(0)]), [Some(0)], "a worker is there");
        let mut iterator =
            executor.map([Probe::Double(1), stage.hold()]).timeout(Duration::from_secs(1)).into_iter();
        assert!(matches!(iterator.next(), Some(Ok(2))));
        assert!(matches!(iterator.next(), Some(Err(ResultError::TimedOut))));
        stage.release();
    });
}

#[test]
fn map_06b_the_job_that_is_waited_for_is_cancelled_too() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let (stage, file) = (Stage::new(), Stage::new().file("ran"));
        let held = executor.submit(stage.hold()).unwrap();
        stage.until_held(1);
        let mut iterator =
            executor.map([Probe::Mark(file.clone())]).timeout(Duration::from_millis(20)).into_iter();
        assert!(matches!(iterator.next(), Some(Err(ResultError::TimedOut))));
        stage.release();
        held.result(LIMIT).unwrap();
        executor.shutdown(true, false);
        assert_eq!(marks(&file), 0);
    });
}

#[test]
fn map_06c_after_the_deadline_the_iterator_is_exhausted() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        let late = stage.file("late");
        let jobs = [stage.hold(), Probe::Mark(late.clone())];
        let mut iterator = executor.map(jobs).timeout(Duration::from_millis(20)).into_iter();
        assert!(matches!(iterator.next(), Some(Err(ResultError::TimedOut))));
        assert!(iterator.next().is_none() && iterator.next().is_none());
        stage.release();
        executor.shutdown(true, false);
        assert_eq!(marks(&late), 0, "what had not started never runs");
    });
}

#[test]
fn map_07_closing_ends_a_partly_consumed_iterator_and_cancels() {
    let _case = Case::begin();
    on_pools!(1, |executor| {
        let stage = Stage::new();
        let late = stage.file("late");
        let jobs = [Probe::Double(1), stage.hold(), Probe::Mark(late.clone())];
        let mut iterator = executor.map(jobs).into_iter();
        assert!(matches!(iterator.next(), Some(Ok(2))));
        stage.until_held(1);
        iterator.close();
        assert!(iterator.next().is_none());
        stage.release();
        executor.shutdown(true, false);
        assert_eq!(marks(&late), 0);
    });
}

#[test]
fn map_07b_closing_in_the_middle_of_a_batch_ends_the_iterator_for_good() {
    let _case = Case::begin();
    on_all!(|executor| {
        let mut iterator = executor.map((0..20).map(Probe::Double)).chunk_size(size(5)).into_iter();
        assert_eq!(iterator.by_ref().take(2).count(), 2);
        iterator.close();
        assert!(iterator.next().is_none() && iterator.next().is_none());
    });
}

#[test]
fn map_08_an_unbuffered_map_that_is_never_advanced_still_runs_all() {
    let _case = Case::begin();
    on_all!(|executor| {
        let stage = Stage::new();
        let file = stage.file("ran");
        drop(executor.map((0..3000).map(|_| Probe::Mark(file.clone()))).unbuffered().into_iter());
        executor.shutdown(true, false);
        assert_eq!(marks(&file), 3000);
    });
}

#[test]
fn map_09a_exactly_the_buffer_is_pulled_and_then_one_an_output() {
    let _case = Case::begin();
    on_all!(|executor| {
        let pulled = Cell::new(0);
        let items = (0..100).inspect(|_| pulled.set(pulled.get() + 1)).map(Probe::Double);
        let mut iterator = executor.map(items).buffer(size(7)).into_iter();
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
        let endless = executor.map((0..).map(Probe::Double)).buffer(size(4)).into_iter();
        assert!(endless.take(50).map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        assert_eq!(executor.map((0..).map(Probe::Double)).into_iter().take(50).count(), 50);
    });
}

#[test]
fn map_09c_any_buffer_gives_the_whole_output() {
    let _case = Case::begin();
    on_all!(|executor| {
        for buffer in [1, 2, 49, 50, 51, 1000] {
            let map = executor.map((0..50).map(Probe::Double)).buffer(size(buffer));
            assert!(map.into_iter().map(Result::unwrap).eq((0..50).map(|n| 2 * n)));
        }
    });
}

#[test]
fn map_09d_the_default_buffer_grows_behind_a_job_that_takes_long() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let stage = Stage::new();
        // The first job is held until the others behind it are more than the buffer holds at first.
        let items = (0..10_000).inspect(|&item| {
            if item == 6_000 {
                stage.release();
            }
        });
        let map = executor.map(items.map(|item| if item == 0 { stage.hold() } else { Probe::Double(item) }));
        assert_eq!(map.into_iter().flatten().count(), 10_000);
    });
}

#[test]
fn map_10_a_failing_input_reaches_the_caller_and_leaves_the_pool_usable() {
    let _case = Case::begin();
    on_all!(|executor| {
        let items = (0..10).map(|n| if n < 3 { Probe::Double(n) } else { panic!("no more items") });
        let broken = catch_unwind(AssertUnwindSafe(|| executor.map(items).into_iter().count()));
        assert!(broken.is_err());
        assert_eq!(outputs(&executor, [Probe::Double(4)]), [Some(8)]);
    });
}

#[test]
fn map_12_a_stop_while_outputs_are_read_is_told() {
    let _case = Case::begin();
    let executor = processes(1);
    let stage = Stage::new();
    let mut iterator = executor.map((0..).map(|_| stage.hold())).buffer(size(2)).into_iter();
    thread::scope(|scope| {
        scope.spawn(|| {
            stage.until_held(1);
            executor.stop(Duration::ZERO);
        });
        assert!(matches!(iterator.next(), Some(Err(ResultError::Failed(JobError::Cancelled)))));
    });
    assert!(matches!(iterator.next(), Some(Err(ResultError::Failed(JobError::Cancelled)))));
    assert!(matches!(iterator.next(), Some(Err(ResultError::Refused(SubmitError::Closed)))));
    assert!(iterator.next().is_none());
    drop(iterator);
    finish(&executor);
}

#[test]
fn map_13_maps_and_submits_overlap_on_one_pool() {
    let _case = Case::begin();
    on_all!(|executor| {
        let mut one = executor.map((0..200).map(Probe::Double)).buffer(size(5)).into_iter();
        let mut two = executor.map((1000..1200).map(Probe::Double)).buffer(size(9)).into_iter();
        for n in 0..200 {
            let single = executor.submit(Probe::Double(n)).unwrap();
            assert_eq!(one.next().unwrap().unwrap(), 2 * n);
            assert_eq!(two.next().unwrap().unwrap(), 2000 + 2 * n);
            assert_eq!(single.result(LIMIT).unwrap(), 2 * n);
        }
    });
}

#[test]
fn map_13b_an_unordered_map_gives_each_output_once_with_its_place() {
    let _case = Case::begin();
    on_all!(|executor| {
        for buffer in [1, 3, 1000] {
            let map = executor.map_unordered((0..300).map(Probe::Double)).buffer(size(buffer));
            let mut outputs: Vec<(usize, u64)> = map.into_iter().map(Result::unwrap).collect();
            outputs.sort_unstable();
            assert!(outputs.into_iter().eq((0..300).map(|n| (n, 2 * n as u64))));
        }
    });
}

#[test]
fn map_13c_an_unordered_map_overtakes_slow_jobs_and_keeps_its_deadline() {
    let _case = Case::begin();
    on_pools!(2, |executor| {
        let stage = Stage::new();
        let jobs = [stage.hold(), Probe::Double(1), Probe::Double(2)];
        assert_eq!(outputs(&executor, [Probe::Double(0)]), [Some(0)], "a worker is there");
        let mut iterator = executor.map_unordered(jobs).timeout(Duration::from_secs(1)).into_iter();
        assert!(matches!(iterator.next(), Some(Ok((1, 2)))));
        assert!(matches!(iterator.next(), Some(Ok((2, 4)))));
        assert!(matches!(iterator.next(), Some(Err((_, ResultError::TimedOut)))));
        assert!(iterator.next().is_none());
        stage.release();
    });
}
