//! Counts the words of 200,000 lines in three ways: serially; with `map_unordered`, where each job returns
//! the counts of its lines; and by folding, where each worker keeps one table for all of its jobs.
//!
//! With a table per job, most of the time goes into encoding, decoding and merging tables. With a table per
//! worker only a few are merged: those that the workers return as reports when they exit. A worker that dies
//! loses its table, so the number of lines is part of it and is checked at the end.
//!
//! `cargo run --release -p runner-pool --example aggregate`

use std::{collections::HashMap, error::Error, time::Instant};

use pool::{Executor, Job, ProcessPool, Serial, error::RemoteError, worker::Context};
use serde::{Deserialize, Serialize};

const LINES: u64 = 200_000;

/// Number of lines in a job. A job per line would cost more than counting its words.
const LINES_PER_JOB: u64 = 1_000;

/// Number of lines, and how often each word occurs in them.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    lines: u64,
    words: HashMap<String, u64>,
}

impl Counts {
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            self.lines += 1;
            for word in line.split(' ') {
                match self.words.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(self.words.insert(word.to_owned(), 1)),
                }
            }
        }
    }

    fn merge(mut self, other: Counts) -> Counts {
        self.lines += other.lines;
        for (word, count) in other.words {
            *self.words.entry(word).or_default() += count;
        }
        self
    }
}

impl Context for Counts {
    type Args = ();
    type Error = String;
    type Report = Counts;

    fn start((): ()) -> Result<Counts, String> {
        Ok(Counts::default())
    }

    /// Called when the worker exits; the pool collects the reports.
    fn finish(self) -> Result<Counts, String> {
        Ok(self)
    }
}

#[derive(Serialize, Deserialize)]
enum Count {
    /// Adds the counts to the worker's.
    Fold(String),
    /// Returns the counts.
    Return(String),
}

impl Job for Count {
    const NAME: &'static str = "count";
    type Output = Option<Counts>;
    type Error = RemoteError;
    type Context = Counts;

    fn run(self, totals: &mut Counts) -> Result<Option<Counts>, RemoteError> {
        match self {
            Count::Fold(text) => {
                totals.add(&text);
                Ok(None)
            }
            Count::Return(text) => {
                let mut counts = Counts::default();
                counts.add(&text);
                Ok(Some(counts))
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Count>();
    let chunks: Vec<String> = (0..LINES / LINES_PER_JOB).map(chunk).collect();
    let serial = timed("serial", || fold(&Serial::new(()), &chunks))?;
    let mapped = timed("map_unordered", || map(&chunks))?;
    let folded = timed("fold", || fold(&ProcessPool::builder().build()?, &chunks))?;

    println!("all agree: {}", serial == mapped && serial == folded);
    println!("{} lines, {} different words", folded.lines, folded.words.len());
    let most = folded.words.iter().max_by_key(|&(word, count)| (*count, word));
    println!("most frequent: {most:?}");
    Ok(())
}

/// Counts in the state of each worker, and merges the states after the workers have exited.
fn fold(executor: &impl Executor<Count>, chunks: &[String]) -> Result<Counts, Box<dyn Error>> {
    for result in executor.map(chunks.iter().cloned().map(Count::Fold)) {
        result?;
    }
    executor.join();
    let mut totals = Counts::default();
    for worker in executor.reports() {
        totals = totals.merge(worker.report.map_err(|reason| reason.to_string())?);
    }
    if totals.lines == LINES { Ok(totals) } else { Err("a worker died and has lost its counts".into()) }
}

/// Returns the counts of each chunk from its job, and merges them as they arrive.
fn map(chunks: &[String]) -> Result<Counts, Box<dyn Error>> {
    let pool = ProcessPool::builder().build()?;
    let mut totals = Counts::default();
    for (_, counts) in pool.map_unordered(chunks.iter().cloned().map(Count::Return)) {
        totals = totals.merge(counts?.unwrap_or_default());
    }
    pool.join();
    Ok(totals)
}

fn timed<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    println!("{name}\n  took {:.3} s", start.elapsed().as_secs_f64());
    result
}

/// Returns the lines of one job: 20 words each, of 5,000 in all, most of them rare.
fn chunk(index: u64) -> String {
    let first = index * LINES_PER_JOB * 20;
    let word = |place: u64| {
        let random = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        format!("w{}", (random % 5_000) * (random % 7 % 3) / 2)
    };
    let line = |line: u64| (0..20).map(|n| word(first + line * 20 + n)).collect::<Vec<_>>().join(" ") + "\n";
    (0..LINES_PER_JOB).map(line).collect()
}
