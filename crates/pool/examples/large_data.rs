//! Shares large data between processes: eight chunks of 100 MB are summed by worker processes that do not
//! receive a copy, and each worker compares its chunks with the same table, which is in memory once.
//!
//! `cargo run --release -p runner-pool --example large_data [MEGABYTES]`

use std::{env, error::Error, process, time::Instant};

use pool::{
    Executor, Job, ProcessPool,
    data::{Blob, Shared},
    error::RemoteError,
    worker::Context,
};
use serde::{Deserialize, Serialize};

/// Weight of each value of a byte. Workers do not get a copy of it, whatever its size.
struct Weights(Shared<u64>);

impl Context for Weights {
    type Args = Shared<u64>;
    type Error = String;
    type Report = ();

    fn start(weights: Shared<u64>) -> Result<Weights, String> {
        Ok(Weights(weights))
    }
}

#[derive(Serialize, Deserialize)]
enum Task {
    /// Returns the weighted sum of the bytes.
    Weigh(Blob),
    /// Returns a chunk with all values in turn.
    Generate(usize),
    /// Weighs the bytes in a pool of its own, which shares them, too.
    Delegate(Blob),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Answer {
    Weight(u64),
    Chunk(Blob),
}

impl Job for Task {
    const NAME: &'static str = "task";
    type Output = Answer;
    type Error = RemoteError;
    type Context = Weights;

    fn run(self, weights: &mut Weights) -> Result<Answer, RemoteError> {
        match self {
            Task::Weigh(chunk) => {
                Ok(Answer::Weight(chunk.iter().map(|&byte| weights.0[usize::from(byte)]).sum()))
            }
            Task::Generate(length) => {
                let fill = |bytes: &mut [u8]| (0..).zip(bytes).for_each(|(n, byte)| *byte = (n % 256) as u8);
                Ok(Answer::Chunk(Blob::with_len(length, fill)?))
            }
            Task::Delegate(chunk) => {
                let pool = ProcessPool::builder_with(weights.0.clone()).workers(1).build()?;
                Ok(pool.submit(Task::Weigh(chunk))?.join()?)
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Task>();
    let megabytes: usize = env::args().nth(1).map_or(Ok(100), |number| number.parse())?;
    // Wide enough to see that it is not copied; a byte selects one of the first 256.
    let weights = Shared::with_len(megabytes * 125_000, |weights| {
        (0..).zip(weights).for_each(|(n, weight)| *weight = n);
    })?;
    let pool = ProcessPool::builder_with(weights).workers(2).build()?;

    // Made by a worker, and not copied on the way here.
    let Answer::Chunk(chunk) = pool.submit(Task::Generate(megabytes * 1_000_000))?.join()? else {
        return Err("not a chunk".into());
    };
    println!("generated: {} MB, the last byte is {}", chunk.len() / 1_000_000, chunk[chunk.len() - 1]);

    let start = Instant::now();
    let jobs = (0..8).map(|_| Task::Weigh(chunk.clone()));
    let total = pool.map(jobs).try_fold(0, |total, answer| match answer? {
        Answer::Weight(weight) => Ok::<u64, Box<dyn Error>>(total + weight),
        Answer::Chunk(_) => Err("not a weight".into()),
    })?;
    println!("weighed: 8 chunks, mean of a byte {}", total as f64 / (8 * chunk.len()) as f64);
    println!("  took {:.3} s", start.elapsed().as_secs_f64());

    let delegated = pool.submit(Task::Delegate(chunk.clone()))?.join()?;
    println!("in a nested pool: {}", matches!(delegated, Answer::Weight(weight) if weight * 8 == total));

    let private = private_memory(process::id())?;
    let workers = pool.worker_stats().into_iter().filter_map(|worker| worker.pid);
    let copied = workers.map(private_memory).sum::<Result<u64, _>>()? + private;
    println!("less than 32 MB of all processes is not shared: {}", copied < 32 << 20);
    pool.join();
    Ok(())
}

/// Returns the memory of a process that belongs to no file, in bytes.
fn private_memory(pid: u32) -> Result<u64, Box<dyn Error>> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
