//! Measures large data: eight jobs with 100 MB each, and 500 MB of worker state, against rayon and against
//! data that is sent.
//!
//! `cargo run --release -p peers --bin shared_data [ROUNDS]`

use std::{
    env,
    error::Error,
    fs,
    time::{Duration, Instant},
};

use pool::{
    Executor, Job, ProcessPool,
    data::{Blob, Shared},
    error::RemoteError,
    worker::Context,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

const CHUNKS: usize = 8;
const CHUNK: usize = 100_000_000;
const STATE: usize = 500_000_000;
const WORKERS: usize = 2;

#[derive(Serialize, Deserialize)]
enum Task {
    Shared(Blob),
    Sent(Vec<u8>),
    State,
}

/// Worker state, either of which may be empty.
struct State(Shared<u64>, Vec<u64>);

impl Context for State {
    type Args = (Shared<u64>, Vec<u64>);
    type Error = String;
    type Report = ();

    fn start((shared, sent): Self::Args) -> Result<State, String> {
        Ok(State(shared, sent))
    }
}

impl Job for Task {
    const NAME: &'static str = "task";
    type Output = u64;
    type Error = RemoteError;
    type Context = State;

    fn run(self, state: &mut State) -> Result<u64, RemoteError> {
        Ok(match self {
            Task::Shared(bytes) => checksum(&bytes),
            Task::Sent(bytes) => checksum(&bytes),
            Task::State => state.0.iter().chain(&state.1).fold(0, |sum, &word| sum.wrapping_add(word)),
        })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0u64, |sum, &word| sum.wrapping_add(u64::from_le_bytes(word)));
    rest.iter().fold(sum, |sum, &byte| sum.wrapping_add(u64::from(byte)))
}

fn fill(bytes: &mut [u8]) {
    bytes.fill(7);
}

fn timed(act: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed())
}

/// Runs the jobs and checks the number of outputs.
fn run(pool: &ProcessPool<Task>, jobs: Vec<Task>) -> Result<(), Box<dyn Error>> {
    let count = jobs.len();
    let sums: Result<Vec<u64>, _> = pool.map(jobs).collect();
    if sums?.len() == count { Ok(()) } else { Err("an output is missing".into()) }
}

/// Times of one round, in the order of [`NAMES`].
fn chunks(pool: &ProcessPool<Task>) -> Result<[Duration; 5], Box<dyn Error>> {
    let vec = || {
        let mut bytes = vec![0; CHUNK];
        fill(&mut bytes);
        bytes
    };
    let existing: Vec<Vec<u8>> = (0..CHUNKS).map(|_| vec()).collect();
    let rayon = timed(|| {
        std::hint::black_box(existing.par_iter().map(|bytes| checksum(bytes)).sum::<u64>());
        Ok(())
    })?;
    drop(existing);
    let rayon_with_creation = timed(|| {
        let chunks: Vec<Vec<u8>> = (0..CHUNKS).map(|_| vec()).collect();
        std::hint::black_box(chunks.into_par_iter().map(|bytes| checksum(&bytes)).sum::<u64>());
        Ok(())
    })?;
    let existing = (0..CHUNKS).map(|_| Blob::with_len(CHUNK, fill)).collect::<Result<Vec<_>, _>>()?;
    let shared = timed(|| run(pool, existing.into_iter().map(Task::Shared).collect()))?;
    let shared_with_creation = timed(|| {
        let chunks = (0..CHUNKS).map(|_| Blob::with_len(CHUNK, fill).map(Task::Shared));
        run(pool, chunks.collect::<Result<_, _>>()?)
    })?;
    let existing: Vec<Task> = (0..CHUNKS).map(|_| Task::Sent(vec())).collect();
    let sent = timed(|| run(pool, existing))?;
    Ok([rayon, shared, rayon_with_creation, shared_with_creation, sent])
}

const NAMES: [&str; 5] = ["rayon", "Blob", "rayon, with creation", "Blob, with creation", "Vec<u8>, sent"];

/// Returns the time from the first submission until all workers have read the state, and the memory of all
/// workers in MB.
fn state(args: (Shared<u64>, Vec<u64>)) -> Result<(Duration, u64), Box<dyn Error>> {
    let pool = ProcessPool::<Task>::builder_with(args).workers(WORKERS).build()?;
    let time = timed(|| run(&pool, (0..8 * WORKERS).map(|_| Task::State).collect()))?;
    let pids = pool.worker_stats().into_iter().filter_map(|worker| worker.pid);
    let memory = pids.map(proportional_memory).sum::<Result<u64, _>>()?;
    pool.join();
    Ok((time, memory / 1_000_000))
}

fn proportional_memory(pid: u32) -> Result<u64, Box<dyn Error>> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Task>();
    let rounds: usize = env::args().nth(1).map_or(Ok(5), |number| number.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build_global()?;
    let pool = ProcessPool::builder_with(Default::default()).workers(WORKERS).build()?;
    run(&pool, (0..8).map(|_| Task::State).collect())?;
    let times = (0..rounds).map(|_| chunks(&pool)).collect::<Result<Vec<_>, _>>()?;
    pool.join();
    println!("{CHUNKS} jobs of {} MB, {WORKERS} workers, median of {rounds}:", CHUNK / 1_000_000);
    for (index, name) in NAMES.iter().enumerate() {
        println!("  {name:22} {:.3} s", median(times.iter().map(|round| round[index]).collect()));
    }
    let ratio = |over: usize, under: usize| {
        median(
            times
                .iter()
                .map(|round| round[over].div_duration_f64(round[under]))
                .map(Duration::from_secs_f64)
                .collect(),
        )
    };
    println!("  Blob / rayon: {:.2}; with creation: {:.2}", ratio(1, 0), ratio(3, 2));
    println!("{} MB of state, {WORKERS} workers:", STATE / 1_000_000);
    let words = STATE / size_of::<u64>();
    for _ in 0..rounds.min(3) {
        let (time, memory) = state((Shared::with_len(words, |words| words.fill(7))?, Vec::new()))?;
        println!("  shared: {:.3} s, {memory} MB in all workers", time.as_secs_f64());
        let (time, memory) = state((Shared::default(), vec![7; words]))?;
        println!("  sent:   {:.3} s, {memory} MB in all workers", time.as_secs_f64());
    }
    Ok(())
}
