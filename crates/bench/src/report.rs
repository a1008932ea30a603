//! What a sweep has found, as plain data: what `--json` prints, and all that tables and pictures are made of.

use serde::{Deserialize, Serialize};

/// One run of `runner bench`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of this layout; counts up when a field changes its meaning.
    pub schema: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// Whether it was a quick look.
    pub quick: bool,
    /// How often everybody ran.
    pub rounds: usize,
    /// How many workers there were where nothing else is said.
    pub workers: usize,
    /// Everything that was measured.
    pub rows: Vec<Row>,
    /// What the ledger predicts; nothing if no process pool was measured.
    pub model: Option<Model>,
}

/// Where it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// How many programs wanted to run in the minute before and in the last minute of the sweep.
    pub load: [f64; 2],
}

/// What was varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// How much work is in a job.
    Grain,
    /// How many workers there are.
    Workers,
    /// How many jobs travel together.
    Batch,
    /// How large jobs and outputs are, for each codec.
    Codec,
    /// Work in a job, and round trips of single jobs, for each transport.
    Transport,
}

/// What runs the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutorName {
    /// One job after the other.
    Serial,
    /// Threads of this process.
    Threads,
    /// Worker processes.
    Processes,
}

/// One point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was varied.
    pub sweep: Sweep,
    /// What ran the jobs.
    pub executor: ExecutorName,
    /// How many workers there were.
    pub workers: usize,
    /// The work in a job, in nanoseconds: what it takes without an executor, measured in the same rounds.
    pub grain_ns: f64,
    /// How many bytes a job carries beside its work, and its output as many.
    pub payload_bytes: u64,
    /// Which codec.
    pub codec: String,
    /// Name of the transport; empty for executors without worker processes.
    pub transport: String,
    /// Jobs in a batch; none where the pool decides.
    pub batch: Option<u64>,
    /// Jobs in flight at a time, 1 for round trips; none where the executor decides.
    pub in_flight: Option<u64>,
    /// How many jobs each round ran.
    pub jobs: u64,
    /// Time for a job, from the first pushed to the last output, divided by their number, in nanoseconds;
    /// where one job is in flight at a time that is the mean round trip.
    pub ns_per_job: Spread,
    /// How many times faster than the same work without an executor.
    pub speedup: f64,
    /// True if the speedup is more than workers and cores allow, and was so when the point was measured again: the plain
    /// loop was disturbed. The break-even, the best speedup and the model leave such rows out.
    pub suspect: bool,
    /// What the model says of the time for a job, in nanoseconds, if it says anything.
    pub predicted_ns: Option<f64>,
    /// Where the time of all who took part went, for a job, in nanoseconds; empty if nobody looked.
    pub stages: Vec<StageTime>,
}

/// What a series of rounds gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The figure in the middle.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// Each round's, in their order.
    pub rounds: Vec<f64>,
    /// The places of rounds that lie far from the others: more than 3 median absolute deviations, and a twentieth, from
    /// the median.
    pub outliers: Vec<usize>,
}

/// Time that went into one stage of a job's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Its name.
    pub stage: String,
    /// Whether the parent or a worker spent it.
    pub side: Side,
    /// Nanoseconds for a job.
    pub ns: f64,
}

/// Who spends time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The process that has the jobs.
    Parent,
    /// The processes that run them.
    Worker,
}

/// What the ledger says about sizes of jobs that were not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What a job costs the parent, in nanoseconds.
    pub parent_ns: f64,
    /// What it costs a worker beside its work, in nanoseconds.
    pub worker_ns: f64,
    /// What each batch of jobs costs the parent in addition, in nanoseconds.
    pub parent_batch_ns: f64,
    /// What it costs the worker.
    pub worker_batch_ns: f64,
    /// How long cores stand still for each job, because everybody waits for somebody, in nanoseconds.
    pub idle_ns: f64,
    /// How long for each batch.
    pub idle_batch_ns: f64,
    /// From this grain on the workers are faster than none, as predicted, in nanoseconds.
    pub break_even_ns: f64,
    /// The same as measured, between two points of the sweep; none if all points lie on one side.
    pub measured_break_even_ns: Option<f64>,
    /// For grains in ascending order: the number of workers beyond which the parent limits.
    pub limits: Vec<Limit>,
    /// The speedup that is to be expected, for a curve.
    pub curve: Vec<Point>,
    /// The largest error of a prediction from 1 us to 10 ms, as a part of what was measured.
    pub largest_error: Option<f64>,
}

/// From how many workers on the parent limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The work in a job, in nanoseconds.
    pub grain_ns: f64,
    /// So many workers a parent with a core for itself can keep busy.
    pub workers: f64,
}

/// A point of the model's curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The work in a job, in nanoseconds.
    pub grain_ns: f64,
    /// How many workers.
    pub workers: usize,
    /// Times faster than no executor.
    pub speedup: f64,
}
