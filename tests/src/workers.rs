//! Worker processes as a test sees and treats them from outside.

use std::{fs, path::Path};

use nix::{sys::signal, unistd::Pid};
use pool::{Executor, Job};

use crate::probe::until;

pub use nix::sys::signal::Signal;

/// Whether there is such a process, be it a zombie.
#[must_use]
pub fn exists(pid: u64) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Sends a signal to a process.
///
/// # Panics
/// When there is no such process.
pub fn send(pid: u64, signal: Signal) {
    signal::kill(as_pid(pid), signal).expect("the process is there");
}

/// Kills a process that may be gone by now.
pub fn end(pid: u64) {
    let _ = signal::kill(as_pid(pid), Signal::SIGKILL);
}

/// Kills a process and waits until it has been reaped.
///
/// # Panics
/// When there is no such process, or it stays.
pub fn kill_off(pid: u64) {
    send(pid, Signal::SIGKILL);
    until("the process is gone", || !exists(pid));
}

/// Stops a process and waits until it stands.
///
/// # Panics
/// When there is no such process.
pub fn freeze(pid: u64) {
    send(pid, Signal::SIGSTOP);
    until("the process stands", || run_state(pid) == Some('T'));
}

/// The letter by which the system names what a process is doing.
#[must_use]
pub fn run_state(pid: u64) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// The memory of a process that is in use, in bytes; 0 if there is no such process.
#[must_use]
pub fn memory(pid: u64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0) * 1024
}

/// The numbers of all workers that a pool has had and whose processes are still there.
#[must_use]
pub fn living<J: Job>(executor: &dyn Executor<J>) -> Vec<u64> {
    let known = executor.worker_stats().into_iter().filter_map(|worker| worker.pid);
    known.map(u64::from).filter(|&pid| exists(pid)).collect()
}

/// The workers among the children of a process.
#[must_use]
pub fn workers_of(parent: u64) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u64> = lists
        .flat_map(|list| list.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect();
    children.into_iter().filter(|&pid| is_worker(pid)).collect()
}

/// Whether a process is a worker. A guard, which is a copy of its worker, is none.
#[must_use]
pub fn is_worker(pid: u64) -> bool {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    read("cmdline") == b"runner-worker\0" && read("comm").trim_ascii_end() != b"runner-guard"
}

fn as_pid(pid: u64) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("the number of a process"))
}
