//! Rows 1 to 3: `map` of cheap jobs by this pool and by others.

use std::{cell::RefCell, collections::VecDeque, hint::black_box, thread};

use pool::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::{
    bench::{Bench, WORKERS, checked, ns_each, outputs, timed, warm_pool},
    python::{self, Peer},
    report::{Goal, Missing, Row},
    rounds::{Contender, Result, Series, alternate},
    task::gcd,
};

const SERIAL: &str = "serial loop";
const OURS: &str = "ProcessPool";
const RAYON: &str = "rayon";
const PROCSPAWN: &str = "procspawn";
const ONE_BY_ONE: &str = "ProcessPoolExecutor.map, chunksize 1";

/// Number of jobs per contender; fewer for the slow ones.
struct Counts {
    all: usize,
    /// Contenders with one message per job.
    one_by_one: usize,
    /// Python pools with chunks.
    chunks: usize,
}

/// Measures all contenders in the same rounds.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let counts = Counts {
        all: bench.count(1_000_000, 0),
        one_by_one: bench.count(20_000, 1_000),
        chunks: bench.count(400_000, 20_000),
    };
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let threads = ThreadPool::new(WORKERS, ());
    let mut missing = Vec::new();

    let mut contenders = vec![
        map_contender(bench, SERIAL, counts.all, |pairs| Ok(pairs.iter().map(pair_gcd).collect())),
        executor(bench, OURS, &ours, counts.all),
    ];
    if bench.includes("1") {
        contenders.push(map_contender(bench, "scoped threads", counts.all, scoped));
        contenders.push(executor(bench, "ThreadPool", &threads, counts.all));
    }
    if bench.includes("2") {
        contenders.push(rayon_contender(bench, counts.all)?);
        match procspawn_contender(bench, counts.one_by_one) {
            Ok(contender) => contenders.push(contender),
            Err(error) => missing.push(Missing { peer: PROCSPAWN.to_owned(), reason: error.to_string() }),
        }
        contenders.extend(one_by_one(bench, &counts, &mut missing)?);
    }
    let mut pools = Vec::new();
    if bench.includes("3") {
        for peer in python::ALL {
            match in_chunks(peer, bench, &counts)? {
                Ok(contender) => pools.push(contender),
                Err(reason) => missing.push(reason),
            }
        }
    }
    let python: Vec<String> = pools.iter().map(|(name, _)| name.clone()).collect();
    contenders.extend(pools.into_iter().map(|(_, contender)| contender));
    let series = alternate(contenders, bench.rounds(5))?;
    Ok(rows(bench, &counts, &series, &python, missing))
}

fn pair_gcd(&(a, b): &(u64, u64)) -> u64 {
    gcd(a, b)
}

/// Creates a contender from a function that maps pairs to results.
fn map_contender<'a>(
    bench: &'a Bench,
    name: &str,
    count: usize,
    map: impl Fn(&[(u64, u64)]) -> Result<Vec<u64>> + 'a,
) -> Contender<'a> {
    let (pairs, sum) = (bench.pairs(count), bench.sum(count));
    Contender::new(name, move || {
        let (time, results) = timed(|| map(black_box(pairs)))?;
        checked(results, sum)?;
        Ok(ns_each(time, count))
    })
}

fn executor<'a>(
    bench: &'a Bench,
    name: &str,
    executor: &'a impl pool::Executor<crate::task::Task>,
    count: usize,
) -> Contender<'a> {
    let sum = bench.sum(count);
    Contender::new(name, move || {
        let (time, results) = timed(|| outputs(executor, bench.jobs(count)))?;
        checked(results, sum)?;
        Ok(ns_each(time, count))
    })
}

/// Maps with one thread per part of the input.
fn scoped(pairs: &[(u64, u64)]) -> Result<Vec<u64>> {
    let mut results = vec![0; pairs.len()];
    let part = pairs.len().div_ceil(WORKERS);
    thread::scope(|scope| {
        for (pairs, results) in pairs.chunks(part).zip(results.chunks_mut(part)) {
            scope.spawn(move || {
                pairs.iter().zip(results).for_each(|(pair, result)| *result = pair_gcd(pair));
            });
        }
    });
    Ok(results)
}

fn rayon_contender(bench: &Bench, count: usize) -> Result<Contender<'_>> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?;
    let map = move |pairs: &[(u64, u64)]| Ok(threads.install(|| pairs.par_iter().map(pair_gcd).collect()));
    Ok(map_contender(bench, RAYON, count, map))
}

/// Number of jobs in flight for `procspawn`: it has no `map`, and each job holds descriptors until it
/// completes.
const IN_FLIGHT: usize = 100;

fn procspawn_contender(bench: &Bench, count: usize) -> Result<Contender<'_>> {
    let processes = procspawn::Pool::new(WORKERS)?;
    let map = move |pairs: &[(u64, u64)]| {
        let spawn = |&pair: &(u64, u64)| processes.spawn(pair, |(a, b)| gcd(a, b));
        let mut waiting: VecDeque<_> = pairs.iter().take(IN_FLIGHT).map(spawn).collect();
        let mut rest = pairs.iter().skip(IN_FLIGHT);
        let mut results = Vec::with_capacity(pairs.len());
        while let Some(handle) = waiting.pop_front() {
            results.push(handle.join()?);
            waiting.extend(rest.next().map(spawn));
        }
        Ok(results)
    };
    Ok(map_contender(bench, PROCSPAWN, count, map))
}

/// Creates the contender for the pool of the standard library with its default chunk size.
fn one_by_one<'a>(
    bench: &'a Bench,
    counts: &Counts,
    missing: &mut Vec<Missing>,
) -> Result<Option<Contender<'a>>> {
    let count = counts.one_by_one;
    match python::EXECUTOR.start(bench, count) {
        Ok(mut running) => Ok(Some(Contender::new(ONE_BY_ONE, move || running.map(bench, count, 0)))),
        Err(reason) => {
            missing.push(reason);
            Ok(None)
        }
    }
}

type Named<'a> = (String, Contender<'a>);

/// Creates a contender for a Python pool with its fastest chunk size.
fn in_chunks<'a>(
    peer: Peer,
    bench: &'a Bench,
    counts: &Counts,
) -> Result<std::result::Result<Named<'a>, Missing>> {
    let count = counts.chunks;
    let mut running = match peer.start(bench, count) {
        Ok(running) => running,
        Err(missing) => return Ok(Err(missing)),
    };
    let chunk = peer.best_chunk(&mut running, bench, count)?;
    let name = match chunk {
        0 => format!("{}, its own chunks", peer.name),
        chunk => format!("{}, best chunks: {chunk}", peer.name),
    };
    let running = RefCell::new(running);
    let run = move || running.borrow_mut().map(bench, count, chunk);
    Ok(Ok((name.clone(), Contender::new(name, run))))
}

fn rows(
    bench: &Bench,
    counts: &Counts,
    series: &[Series],
    python: &[String],
    missing: Vec<Missing>,
) -> Vec<Row> {
    let named = |name: &str| series.iter().find(|series| series.name == name);
    let all = crate::table::number(counts.all as f64);
    let row = |number, against: &str| {
        Row::new(number, format!("`map` of {all} gcd jobs, against {against}"), "ns a job")
    };
    let Some((serial, ours)) = named(SERIAL).zip(named(OURS)) else { return Vec::new() };
    let (executor, others): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|missing| missing.peer == python::EXECUTOR.name);
    let (procspawn, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|missing| missing.peer == PROCSPAWN);
    let mut rows = Vec::new();

    if bench.includes("1") {
        let names = [SERIAL, OURS, "ThreadPool", "scoped threads"];
        rows.push(
            row("1", "the serial loop").figures(names.into_iter().filter_map(named)).goal(Goal::at_most(
                "time of the serial loop",
                ours.against(serial),
                "times",
                [1.3, 1.0],
            )),
        );
    }
    if bench.includes("2") {
        let mut second = row("2", "threads and one message a job")
            .figures([OURS, RAYON, PROCSPAWN, ONE_BY_ONE].into_iter().filter_map(named))
            .note(format!("one message a job: {} jobs", crate::table::number(counts.one_by_one as f64)))
            .missing(executor.first().cloned())
            .missing(procspawn);
        if let Some(rayon) = named(RAYON) {
            second = second.goal(Goal::at_most("time of rayon", ours.against(rayon), "times", [3.0, 2.0]));
        }
        if let Some(peer) = named(ONE_BY_ONE) {
            let faster = peer.against(ours);
            second = second.goal(Goal::at_least(
                "faster than ProcessPoolExecutor.map",
                faster,
                "times",
                [500.0, 1000.0],
            ));
        }
        rows.push(second);
    }
    if bench.includes("3") {
        rows.push(
            third(row("3", "Python's pools in chunks"), series, ours, python)
                .note(format!("Python: {} jobs", crate::table::number(counts.chunks as f64)))
                .missing(executor.first().cloned())
                .missing(others),
        );
    }
    rows
}

/// Adds the results of the Python pools; the goal refers to the fastest of them.
fn third(row: Row, series: &[Series], ours: &Series, python: &[String]) -> Row {
    let pools = series.iter().filter(|series| python.contains(&series.name));
    let best = pools.clone().min_by(|one, other| one.median().total_cmp(&other.median()));
    let row = row.figures([ours]).figures(pools);
    match best {
        Some(best) => {
            let row = row.note(format!("the best: {}", best.name));
            row.goal(Goal::at_least("faster than the best of them", best.against(ours), "times", [4.0, 6.0]))
        }
        None => row,
    }
}
