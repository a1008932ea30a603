//! Runs beside other work, and reports of runs in progress: admission control, snapshots, metrics, progress.

mod admission;
mod metrics;
mod progress;
mod prometheus;
mod snapshot;
mod stage;
