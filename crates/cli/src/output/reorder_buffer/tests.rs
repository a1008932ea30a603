use super::*;
use crate::output::{OutcomeKind, record::outcome_body};
use ops::Value;
use std::sync::mpsc::channel;

fn body(number: u64) -> RecordBody {
    outcome_body(&Ok(Value::Natural(number.into())))
}

fn buffer(ordered: bool) -> Arc<ReorderBuffer> {
    with_limits(ordered, BufferLimits { jobs: 8_192, bytes: 24 << 20 })
}

fn with_limits(is_ordered: bool, limits: BufferLimits) -> Arc<ReorderBuffer> {
    let settings =
        BufferSettings { layout: Layout::Records, is_ordered, workers: 1, limits, max_failures: None };
    ReorderBuffer::new(settings, FailureReport::default(), ThreadTimers::new(0), channel().0)
}

fn enter(buffer: &ReorderBuffer, id: Option<&str>, text_bytes: usize) -> u64 {
    buffer.enter_all(1, &mut |_| (id.map(Box::from), text_bytes)).unwrap().start
}

fn lines(buffer: &ReorderBuffer) -> Vec<String> {
    let bytes = buffer.take_lines(0).unwrap_or_default().concat();
    String::from_utf8(bytes).unwrap().lines().map(|line| line[..7].to_owned()).collect()
}

#[test]
fn records_leave_in_job_order() {
    let buffer = buffer(true);
    let positions: Vec<u64> = (0..3).map(|_| enter(&buffer, None, 1)).collect();
    buffer.settle(positions[2], body(2));
    buffer.settle(positions[0], body(0));
    assert_eq!(lines(&buffer), ["{\"id\":0"]);
    buffer.settle(positions[1], body(1));
    buffer.settle(positions[1], body(9));
    assert_eq!(lines(&buffer), ["{\"id\":1", "{\"id\":2"]);
    assert_eq!(buffer.counts().of(OutcomeKind::Succeeded), 3);
    buffer.close();
    assert!(lines(&buffer).is_empty());
}

#[test]
fn outcomes_that_arrive_together_are_ordered() {
    let buffer = buffer(true);
    let name = |index: usize| (index == 4).then(|| "\"x\"".into());
    assert_eq!(buffer.enter_all(6, &mut |index| (name(index), 1)), Some(0..6));
    let resolve = |tags: &[u64]| {
        let outcome = |&tag: &u64| Resolved { tag, outcome: Ok(Value::Natural(tag.into())) };
        buffer.resolve(tags.iter().map(outcome).collect());
    };
    // Two runs; job 1 already has an outcome the second time, and job 9 never entered.
    resolve(&[1, 4, 5]);
    resolve(&[0, 1, 9]);
    assert_eq!(lines(&buffer), ["{\"id\":0", "{\"id\":1"]);
    resolve(&[2, 3]);
    assert_eq!(lines(&buffer), ["{\"id\":2", "{\"id\":3", "{\"id\":\"", "{\"id\":5"]);
    assert_eq!(buffer.counts().of(OutcomeKind::Succeeded), 6);
    let lines = 6 * "{\"id\":0,\"ok\":true,\"result\":0}\n".len();
    assert_eq!(buffer.state.lock().window.held(), lines + "\"x\"".len() - "4".len());
}

#[test]
fn jobs_enter_while_there_is_room() {
    let buffer = with_limits(true, BufferLimits { jobs: 5, bytes: 1 << 30 });
    let enter = |count| buffer.try_enter_all(count, &mut |_| (None, 1));
    assert_eq!(enter(3), Some(0..3));
    assert_eq!(enter(3), Some(3..5));
    assert_eq!(enter(3), None);
    buffer.settle(0, body(0));
    assert_eq!(enter(3), Some(5..6));
    buffer.close();
    assert_eq!(enter(1), None);
}

#[test]
fn unordered_records_leave_at_once_with_their_ids() {
    let buffer = buffer(false);
    enter(&buffer, None, 1);
    let named = enter(&buffer, Some("\"b\""), 1);
    buffer.settle(named, body(1));
    assert_eq!(lines(&buffer), ["{\"id\":\""]);
    buffer.close();
    buffer.cancel_rest();
    assert_eq!(buffer.counts().of(OutcomeKind::Cancelled), 1);
    assert_eq!(lines(&buffer), ["{\"id\":0"]);
    assert!(lines(&buffer).is_empty());
}

#[test]
fn closed_buffer_rejects_jobs() {
    let buffer = buffer(true);
    buffer.close();
    assert_eq!(buffer.enter_all(1, &mut |_| (None, 1)), None);
}

#[test]
fn held_bytes_match_texts_and_lines() {
    for ordered in [true, false] {
        let buffer = buffer(ordered);
        let name = |n: u64| n.is_multiple_of(2).then_some("\"a name\"");
        (0..10).for_each(|n| assert_eq!(enter(&buffer, name(n), 100), n));
        (0..10).rev().for_each(|n| buffer.settle(n, body(n)));
        let bytes = buffer.take_lines(0).unwrap().concat();
        assert_eq!(buffer.state.lock().window.held(), bytes.len());
        buffer.close();
        assert!(buffer.take_lines(bytes.len()).is_none());
        assert_eq!(buffer.state.lock().window.held(), 0);
    }
}
