//! Actions of a [`Probe`] that take more than a line.

use std::{
    fs,
    io::Read,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use pool::{Executor, Job, JobError, ProcessPool};

use crate::{
    probe_error::ProbeError,
    waiting::{TIMEOUT, wait_until},
    workers,
};

/// A job type like that of the probes.
pub(crate) trait ProbeJob: Job<Output = u64, Error = ProbeError, Context = ()> {}

impl<J: Job<Output = u64, Error = ProbeError, Context = ()>> ProbeJob for J {}

#[allow(clippy::needless_pass_by_value)] // to be handed to `map_err`
fn to_probe_error(error: impl ToString) -> ProbeError {
    ProbeError { code: -1, message: error.to_string() }
}

pub(crate) fn raise(signal: i32) {
    let signal = Signal::try_from(signal).expect("not a signal number");
    // The first one only removes the standard library's handler for stack overflows.
    (0..2).for_each(|_| workers::send_signal(process::id().into(), signal));
}

pub(crate) fn block_sigterm() {
    SigSet::from(Signal::SIGTERM).thread_block().expect("cannot block SIGTERM");
}

pub(crate) fn kill_siblings() {
    let all = workers::workers_of(parent_id().into());
    let others = all.into_iter().filter(|&pid| pid != u64::from(process::id()));
    others.for_each(workers::kill_if_alive);
}

pub(crate) fn exit_later(file: PathBuf) -> u64 {
    thread::spawn(move || {
        wait_until("the test requests the exit of this process", || file.exists());
        process::exit(9);
    });
    process::id().into()
}

pub(crate) fn shell(line: &str) -> u64 {
    let status = Command::new("/bin/sh").args(["-c", line]).status().expect("cannot run /bin/sh");
    status.code().and_then(|code| u64::try_from(code).ok()).unwrap_or(u64::MAX)
}

pub(crate) fn read_input() -> u64 {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).expect("cannot read standard input");
    bytes.len() as u64
}

fn inner_pool<J: ProbeJob>() -> Result<ProcessPool<J>, ProbeError> {
    // The default worker program is this one, which is a worker.
    ProcessPool::builder().workers(1).build().map_err(to_probe_error)
}

/// Runs a job in a pool of its own.
pub(crate) fn nested<J: ProbeJob>(inner: J) -> Result<u64, ProbeError> {
    let pool = inner_pool()?;
    let result = match pool.submit(inner).map_err(to_probe_error)?.join_timeout(TIMEOUT) {
        Ok(result) => result,
        // Dropping the pool without a shutdown has to be enough.
        Err(JobError::Failed(own)) => return Err(own),
        Err(other) => return Err(to_probe_error(format!("{other:?}"))),
    };
    pool.join();
    Ok(result)
}

/// Runs two jobs in a pool of its own, which is never shut down. The first returns the id of its process,
/// which is written to the file.
pub(crate) fn nested_left<J: ProbeJob>((pid, job): (J, J), file: &Path) -> Result<u64, ProbeError> {
    let pool = inner_pool()?;
    let worker = pool.submit(pid).map_err(to_probe_error)?.result_timeout(TIMEOUT).map_err(to_probe_error)?;
    let result = pool.submit(job).map_err(to_probe_error)?.result_timeout(TIMEOUT).map_err(to_probe_error);
    std::mem::forget(pool);
    fs::write(file, worker.to_string()).map_err(to_probe_error)?;
    result
}

pub(crate) fn allocate_forever() {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(vec![1; 1 << 20]);
        std::hint::black_box(&blocks);
    }
}

pub(crate) fn fail_allocation(code: i32) {
    let mut nothing: Vec<u8> = Vec::new();
    assert!(nothing.try_reserve(1 << 46).is_err());
    process::exit(code);
}
