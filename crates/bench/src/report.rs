//! The report as plain data: the layout of `--json`, and the input of tables and pictures.

use serde::{Deserialize, Serialize};

/// Results of one `runner bench`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the layout; increases when a field changes its meaning.
    pub schema: u32,
    /// The machine on which it was measured.
    pub machine: Machine,
    /// True for `--quick`: fewer points and shorter runs.
    pub quick: bool,
    /// Number of rounds.
    pub rounds: usize,
    /// Number of workers in sweeps that do not vary it.
    pub workers: usize,
    /// All measured rows.
    pub rows: Vec<Row>,
    /// The model fitted to the processor times; `None` if no process pool was measured.
    pub model: Option<Model>,
}

/// The machine on which a report was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the processor.
    pub processor: String,
    /// Number of cores that this process may use.
    pub cores: usize,
    /// Load average of the minute before the sweep, and of its last minute.
    pub load: [f64; 2],
}

/// The factor that a sweep varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// Work in a job.
    Grain,
    /// Number of workers.
    Workers,
    /// Number of jobs in a batch.
    Batch,
    /// Payload of jobs and outputs, for each codec.
    Codec,
    /// Work in a job, and round trips of single jobs, for each transport.
    Transport,
}

/// Kind of executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutorName {
    /// In the calling thread, one job after the other.
    Serial,
    /// Threads of this process.
    Threads,
    /// Worker processes.
    Processes,
}

/// One candidate at one point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The sweep.
    pub sweep: Sweep,
    /// The executor.
    pub executor: ExecutorName,
    /// Number of workers.
    pub workers: usize,
    /// Work in a job, in nanoseconds: its time in the plain loop, measured in the same rounds.
    pub grain_ns: f64,
    /// Payload of a job in bytes; its output has the same.
    pub payload_bytes: u64,
    /// Name of the codec; empty for executors without worker processes.
    pub codec: String,
    /// Name of the transport; empty for executors without worker processes.
    pub transport: String,
    /// Jobs in a batch; `None` where the pool chooses.
    pub batch: Option<u64>,
    /// Jobs in flight at a time, 1 for round trips; `None` where the executor chooses.
    pub in_flight: Option<u64>,
    /// Number of jobs in each round.
    pub jobs: u64,
    /// Time for a job, in nanoseconds: the time from the first submitted job to the last output, divided by
    /// the number of jobs. With one job in flight that is the mean round trip.
    pub ns_per_job: Spread,
    /// Speedup over the plain loop: median of the ratios of all rounds.
    pub speedup: f64,
    /// True if the speedup is more than workers and cores allow, also when the point was measured again: the
    /// plain loop was disturbed. The break-even, the best speedup and the model ignore such rows.
    pub suspect: bool,
    /// Time for a job that the model predicts, in nanoseconds; `None` where the model does not apply.
    pub predicted_ns: Option<f64>,
    /// Time for a job in each stage, in nanoseconds, of the parent and the workers; empty if it was not
    /// measured.
    pub stages: Vec<StageTime>,
}

/// Summary of a series of rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Minimum.
    pub low: f64,
    /// Maximum.
    pub high: f64,
    /// Value of each round, in order.
    pub rounds: Vec<f64>,
    /// Indices of outliers in `rounds`: more than 3 median absolute deviations, and more than 5 %, away from
    /// the median.
    pub outliers: Vec<usize>,
}

/// Time in one stage of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Name of the stage.
    pub stage: String,
    /// The side that spent the time.
    pub side: Side,
    /// Nanoseconds for a job.
    pub ns: f64,
}

/// The side of the pipeline that spends time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The process that submits the jobs.
    Parent,
    /// The worker processes.
    Worker,
}

/// The model of the costs of worker processes, and its predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Cost of a job in the parent, in nanoseconds.
    pub parent_ns: f64,
    /// Cost of a job in a worker in addition to its work, in nanoseconds.
    pub worker_ns: f64,
    /// Additional cost of a batch in the parent, in nanoseconds.
    pub parent_batch_ns: f64,
    /// Additional cost of a batch in a worker, in nanoseconds.
    pub worker_batch_ns: f64,
    /// Time that cores are idle for each job, because parent and workers wait for each other, in nanoseconds.
    pub idle_ns: f64,
    /// Additional idle time for each batch, in nanoseconds.
    pub idle_batch_ns: f64,
    /// Predicted break-even: the grain from which the workers are faster than the plain loop, in nanoseconds.
    pub break_even_ns: f64,
    /// Measured break-even, between two points of the sweep; `None` if all points are on one side.
    pub measured_break_even_ns: Option<f64>,
    /// Number of workers beyond which the parent is the bottleneck, for grains in ascending order.
    pub limits: Vec<Limit>,
    /// Predicted speedups, for a curve.
    pub curve: Vec<CurvePoint>,
    /// Largest relative error of the predictions for grains from 1 us to 10 ms.
    pub largest_error: Option<f64>,
}

/// Number of workers beyond which the parent is the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Work in a job, in nanoseconds.
    pub grain_ns: f64,
    /// Number of workers that a parent with a core of its own can keep busy.
    pub workers: f64,
}

/// A point of the model's curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Work in a job, in nanoseconds.
    pub grain_ns: f64,
    /// Number of workers.
    pub workers: usize,
    /// Predicted speedup over the plain loop.
    pub speedup: f64,
}
