//! Functions as jobs, on workers that run this test binary and on workers of another program.

#![forbid(unsafe_code)]

use std::{env, fs};

use end_to_end::{
    named_functions,
    probe::{TIMEOUT, finish},
    program,
};
use pool::{
    Executor, JobError, Serial, ThreadPool,
    functions::{Call, Executable, FunctionCall, FunctionPool, Spawn},
};
use serde::{Deserialize, Serialize};

fn pool() -> FunctionPool {
    FunctionPool::builder().workers(2).retries(0).build().unwrap()
}

fn executors() -> [Box<dyn Executor<Call>>; 3] {
    let executable = Executable::default();
    [Box::new(pool()), Box::new(ThreadPool::new(2, executable)), Box::new(Serial::new(executable))]
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    names: Vec<String>,
}

fn move_by(point: Point, x: f64) -> Point {
    Point { x: point.x + x, ..point }
}

fn checked_div(a: i64, b: i64) -> Result<i64, Point> {
    a.checked_div(b).ok_or(Point { x: 0.5, names: vec!["division by zero".into()] })
}

mod alias {
    pub(crate) type Result<T> = std::result::Result<T, String>;
}

#[pool::job]
fn join_names(Point { names, .. }: Point, separator: char) -> alias::Result<String> {
    if names.is_empty() { Err("no names".to_owned()) } else { Ok(names.join(&separator.to_string())) }
}

mod inner {
    /// Has the same name as another function, and another path.
    #[pool::job]
    pub(crate) fn join_names() -> u8 {
        7
    }
}

/// Not part of the program; neither are the items that belong to it.
#[pool::job]
#[cfg(any())]
fn left_out(value: NoSuchType) -> NoSuchType {
    value
}

#[test]
fn one_executor_runs_functions_of_several_types() {
    for executor in executors() {
        let point = Point { x: 1.5, names: vec!["a".into(), "b".into()] };
        let moved = executor.spawn(move_by, (point.clone(), 2.0)).unwrap();
        let length = executor.spawn(|text: String| text.len(), "größe".to_owned()).unwrap();
        let nothing = executor.spawn(|| (), ()).unwrap();
        let pair = executor.spawn(|pair: (u8, u16)| pair, (1, 2)).unwrap();
        let same = executor.run(inner::join_names::job()).unwrap();
        assert_eq!(moved.join_timeout(TIMEOUT).unwrap(), Point { x: 3.5, ..point });
        assert_eq!(length.join_timeout(TIMEOUT).unwrap(), 7);
        nothing.join_timeout(TIMEOUT).unwrap();
        assert_eq!(pair.join_timeout(TIMEOUT).unwrap(), (1, 2));
        assert_eq!(same.join_timeout(TIMEOUT).unwrap(), 7);
        finish(&*executor);
    }
}

#[test]
fn errors_of_functions_keep_their_type() {
    for executor in executors() {
        assert_eq!(executor.try_spawn(checked_div, (7, 2)).unwrap().join_timeout(TIMEOUT).unwrap(), 3);
        match executor.try_spawn(checked_div, (7, 0)).unwrap().join_timeout(TIMEOUT) {
            Err(JobError::Failed(point)) => {
                assert_eq!(point.names, ["division by zero"]);
            }
            other => panic!("{other:?}"),
        }
        let panicked =
            executor.spawn(|n: u64| assert_eq!(n, 0, "not zero"), 1).unwrap().join_timeout(TIMEOUT);
        match panicked {
            Err(JobError::Panicked(panic)) => {
                assert!(panic.message.contains("not zero"), "{panic}");
            }
            other => panic!("{other:?}"),
        }
        finish(&*executor);
    }
}

#[test]
fn alias_of_result_and_pattern_are_understood() {
    let pool = pool();
    let point =
        |names: &[&str]| Point { x: 0.0, names: names.iter().map(|name| (*name).to_owned()).collect() };
    let joined = pool.run(join_names::job(point(&["a", "b"]), '/')).unwrap();
    assert_eq!(joined.join_timeout(TIMEOUT).unwrap(), "a/b");
    let failed = pool.run(join_names::job(point(&[]), '/')).unwrap().join_timeout(TIMEOUT);
    let Err(JobError::Failed(message)) = failed else { panic!("{failed:?}") };
    assert_eq!(message, "no names");
    finish(&pool);
}

#[test]
fn functions_run_on_workers_of_this_program() {
    let pool = pool();
    let pid = pool.spawn(std::process::id, ()).unwrap().join_timeout(TIMEOUT).unwrap();
    assert!(pool.worker_stats().iter().any(|worker| worker.pid == Some(pid)));
    assert_ne!(pid, std::process::id());
    let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let program = env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&format!("{program} worker ")), "{name}");
    finish(&pool);
}

#[test]
fn crash_of_a_function_costs_one_call() {
    let pool = pool();
    let crashed = pool.spawn(|code: i32| -> u64 { std::process::exit(code) }, 3).unwrap();
    let others: Vec<_> = (0..10).map(|n| FunctionCall::new(u64::pow, (n, 2))).collect();
    let error = crashed.join_timeout(TIMEOUT).unwrap_err();
    let death = error.death().unwrap_or_else(|| panic!("{error:?}"));
    assert!(death.to_string().ends_with("exited with code 3"), "{death}");
    let squares: Vec<u64> = pool.run_all(others).map(Result::unwrap).collect();
    assert_eq!(squares, (0..10).map(|n| n * n).collect::<Vec<_>>());
    finish(&pool);
}

#[test]
fn other_programs_run_named_functions_only() {
    let worker = program("function-worker");
    let pool = FunctionPool::builder().workers(1).worker_program(worker).build().unwrap();
    let named = pool.run(named_functions::double::job(21)).unwrap();
    assert_eq!(named.join_timeout(TIMEOUT).unwrap(), 42);
    let error = pool.spawn(u64::pow, (2, 3)).unwrap().join_timeout(TIMEOUT).unwrap_err();
    assert!(error.to_string().contains("the worker runs another executable"), "{error}");
    let error = pool.run(inner::join_names::job()).unwrap().join_timeout(TIMEOUT).unwrap_err();
    assert!(error.to_string().contains("has no function `functions::inner::join_names`"), "{error}");
    finish(&pool);
}
