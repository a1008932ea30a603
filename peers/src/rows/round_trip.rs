//! Rows 5 and 6: round trips of single jobs.

use std::{cell::RefCell, thread, time::Duration};

use pool::{Executor, ThreadPool};

use crate::{
    affinity::{cores, stay_on},
    bare::Echo,
    bench::{Bench, WORKERS, timed, unresolved, warm_pool},
    python::EXECUTOR,
    report::{Goal, Missing, Row},
    rounds::{Contender, Result, alternate, median, quantile},
    table::number,
    task::{Numbers, Task, gcd},
};

/// A message of the size of a small job in its batch.
const MESSAGE: [u8; 24] = [7; 24];

/// Measures round trips without pauses in between.
pub(crate) fn hot(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(20_000, 1_000);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let threads = ThreadPool::new(WORKERS, ());
    let slowest = RefCell::new(Vec::new());
    let mut missing = Vec::new();
    let mut contenders = vec![
        Contender::new("ProcessPool", || {
            let times = trips(count, |place| call(&ours, bench, place), || ())?;
            slowest.borrow_mut().push(quantile(times.clone(), 0.99));
            Ok(median(times))
        }),
        Contender::new("ThreadPool", || {
            Ok(median(trips(count, |place| call(&threads, bench, place), || ())?))
        }),
    ];
    match procspawn_contender(bench, count / 10) {
        Ok(contender) => contenders.push(contender),
        Err(error) => missing.push(Missing { peer: "procspawn".to_owned(), reason: error.to_string() }),
    }
    match EXECUTOR.start(bench, count / 10) {
        Ok(mut running) => contenders.push(Contender::new("ProcessPoolExecutor.submit", move || {
            Ok(running.round_trips(count / 10)? / 1e3)
        })),
        Err(reason) => missing.push(reason),
    }
    let series = alternate(contenders, bench.rounds(5))?;
    let slowest = median(slowest.into_inner());
    let goal = Goal::at_most("ProcessPool, median", series[0].median(), "us", [3.0, 1.5]);
    let what = format!("`submit().result()`, hot, median of {}", number(count as f64));
    let row = Row::new("5", what, "us").figures(&series).goal(goal).missing(missing);
    Ok(vec![row.note(format!("ProcessPool, 99 of 100 within {} us", number(slowest)))])
}

fn procspawn_contender(bench: &Bench, count: usize) -> Result<Contender<'_>> {
    let processes = procspawn::Pool::new(WORKERS)?;
    Ok(Contender::new("procspawn", move || {
        let call = |place| Ok(processes.spawn(bench.pairs(count)[place], |(a, b)| gcd(a, b)).join()?);
        Ok(median(trips(count, call, || ())?))
    }))
}

/// Measures round trips between which parent and worker block.
///
/// Waking a process on the core of its waker is cheap, so the pool is compared with a channel with both ends
/// on one core. A channel between two cores shows the cost of waking another core.
pub(crate) fn asleep(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(200, 20);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let cores = cores()?;
    let here = *cores.first().ok_or("no core is available")?;
    let mut contenders = vec![
        Contender::new("ProcessPool", || {
            Ok(median(trips(count, |place| call(&ours, bench, place), pauses())?))
        }),
        bare_contender("bare ipc-channel, 24 bytes, on one core", [here, here], count)?,
    ];
    let mut missing = None;
    match cores.get(1) {
        Some(&there) => contenders.push(bare_contender(FAR, [here, there], count)?),
        None => missing = Some(Missing { peer: FAR.to_owned(), reason: "there is only one core".to_owned() }),
    }
    let series = alternate(contenders, bench.rounds(5))?;
    let what = format!("`submit().result()` after 2 to 5 ms of sleep, median of {count}");
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the bare channel on one core", ratio, "times", [2.0, 1.3]);
    let mut row = Row::new("6", what, "us").figures(&series).goal(goal).missing(missing);
    if let Some(far) = series.get(2) {
        row =
            row.note(format!("{} times the bare channel between two cores", number(series[0].against(far))));
    }
    Ok(vec![row])
}

const FAR: &str = "the same, one core for each side";

/// Creates a contender for a channel whose ends are pinned to these cores.
fn bare_contender<'a>(name: &str, [here, there]: [usize; 2], count: usize) -> Result<Contender<'a>> {
    let mut echo = Echo::start(there)?;
    Ok(Contender::new(name, move || {
        let echo = &mut echo;
        let run =
            move || stay_on(here).and_then(|()| bare_trips(echo, count)).map_err(|error| error.to_string());
        // In a separate thread, so that no other thread is pinned.
        let run = thread::scope(|scope| scope.spawn(run).join());
        Ok(run.map_err(|_| "the measurement panicked")??)
    }))
}

fn bare_trips(echo: &Echo, count: usize) -> Result<f64> {
    Ok(median(trips(count, |_| echo.round_trip(&MESSAGE).map(|()| 0), pauses())?))
}

fn call(executor: &impl Executor<Task>, bench: &Bench, place: usize) -> Result<u64> {
    let (a, b) = bench.pairs(place + 1)[place];
    executor.submit(Task::Gcd(a, b))?.result().map_err(unresolved)
}

/// Returns the microseconds of each of `count` calls.
fn trips(count: usize, call: impl Fn(usize) -> Result<u64>, mut pause: impl FnMut()) -> Result<Vec<f64>> {
    let trip = |place| {
        pause();
        let (time, _) = timed(|| call(place))?;
        Ok(time.as_nanos() as f64 / 1e3)
    };
    (0..count).map(trip).collect()
}

/// Returns a function that sleeps for a pseudorandom time, the same sequence for each contender.
fn pauses() -> impl FnMut() {
    let mut numbers = Numbers::seeded(2);
    move || thread::sleep(Duration::from_micros(2000 + numbers.next_word() % 3000))
}
