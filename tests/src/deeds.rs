//! What a [`Probe`] does that takes more than a line.

use std::{
    fs,
    io::Read,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use pool::{Executor, JobError, ProcessPool};

use crate::{
    probe::{LIMIT, Mishap, Probe, until},
    workers,
};

#[allow(clippy::needless_pass_by_value)] // to be handed to `map_err`
fn mishap(error: impl ToString) -> Mishap {
    Mishap { code: -1, words: error.to_string() }
}

pub(crate) fn raise(signal: i32) {
    let signal = Signal::try_from(signal).expect("a signal");
    // The standard library's own handler for stack overflows gives way to the first one.
    (0..2).for_each(|_| workers::send(process::id().into(), signal));
}

pub(crate) fn defy() {
    SigSet::from(Signal::SIGTERM).thread_block().expect("SIGTERM can be blocked");
}

pub(crate) fn kill_siblings() {
    let all = workers::workers_of(parent_id().into());
    let others = all.into_iter().filter(|&pid| pid != u64::from(process::id()));
    others.for_each(workers::end);
}

pub(crate) fn exit_later(file: PathBuf) -> u64 {
    thread::spawn(move || {
        until("the test has this process exit", || file.exists());
        process::exit(9);
    });
    process::id().into()
}

pub(crate) fn shell(line: &str) -> u64 {
    let status = Command::new("/bin/sh").args(["-c", line]).status().expect("there is a shell");
    status.code().and_then(|code| u64::try_from(code).ok()).unwrap_or(u64::MAX)
}

pub(crate) fn read_input() -> u64 {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).expect("standard input can be read");
    bytes.len() as u64
}

fn inner_pool() -> Result<ProcessPool<Probe>, Mishap> {
    // The default: this program, which is a worker's.
    ProcessPool::builder().workers(1).build().map_err(mishap)
}

pub(crate) fn nested(inner: Probe) -> Result<u64, Mishap> {
    let pool = inner_pool()?;
    let result = match pool.submit(inner).map_err(mishap)?.take(LIMIT).map_err(mishap)? {
        Ok(result) => result,
        // A pool that is only dropped is no less gone.
        Err(JobError::Failed(own)) => return Err(own),
        Err(other) => return Err(mishap(format!("{other:?}"))),
    };
    pool.shutdown(true, false);
    Ok(result)
}

pub(crate) fn nested_left(n: u64, file: &Path) -> Result<u64, Mishap> {
    let pool = inner_pool()?;
    let worker = pool.submit(Probe::Pid).map_err(mishap)?.result(LIMIT).map_err(mishap)?;
    let result = pool.submit(Probe::Double(n)).map_err(mishap)?.result(LIMIT).map_err(mishap);
    std::mem::forget(pool);
    fs::write(file, worker.to_string()).map_err(mishap)?;
    result
}

pub(crate) fn hoard() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        std::hint::black_box(&hoard);
    }
}

pub(crate) fn ask_for_too_much(code: i32) {
    let mut nothing: Vec<u8> = Vec::new();
    assert!(nothing.try_reserve(1 << 46).is_err());
    process::exit(code);
}
