//! Logs with `tracing` in workers: each worker sets up its own subscriber, and the program receives the lines
//! of all workers.
//!
//! A subscriber cannot cross the process boundary, so it belongs to the state that a worker creates before
//! its first job. It writes to standard error, which the pool captures line by line.
//!
//! `cargo run --release -p runner-pool --example tracing`

use std::{env, error::Error, io, process};

use pool::{Executor, Job, ProcessPool, error::RemoteError, output::WorkerStdio, worker::Context};
use serde::{Deserialize, Serialize};
use tracing::{Level, Span, info, info_span, warn};

/// Worker state: a span that tags each log line with the worker that has written it.
struct Logging(Span);

impl Context for Logging {
    /// Name of the least severe level that is logged.
    type Args = String;
    type Error = Box<dyn Error + Send + Sync>;
    type Report = ();

    fn start(level: String) -> Result<Logging, Self::Error> {
        let subscriber =
            tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level.parse::<Level>()?);
        subscriber.without_time().with_target(false).with_ansi(false).try_init()?;
        let slot = env::var("RUNNER_SLOT")?;
        Ok(Logging(info_span!("worker", slot, pid = process::id())))
    }
}

#[derive(Serialize, Deserialize)]
struct Halve(u64);

impl Job for Halve {
    const NAME: &'static str = "halve";
    type Output = u64;
    type Error = RemoteError;
    type Context = Logging;

    fn run(self, logging: &mut Logging) -> Result<u64, RemoteError> {
        let _in_worker = logging.0.enter();
        if !self.0.is_multiple_of(2) {
            warn!(number = self.0, "odd");
            return Err(RemoteError::msg(format!("{} is odd", self.0)));
        }
        info!(number = self.0, "halved");
        Ok(self.0 / 2)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    pool::enter_if_worker::<Halve>();
    let pool = ProcessPool::builder_with("info".to_owned())
        .workers(2)
        .stderr(WorkerStdio::Capture)
        .on_output(|line| println!("{} logged: {}", line.worker(), line.text()))
        .build()?;
    let failed = pool.map((0..4).map(Halve)).filter(Result::is_err).count();
    pool.join(); // the last line was received
    println!("{failed} jobs failed");
    Ok(())
}
