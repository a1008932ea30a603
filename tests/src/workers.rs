//! Inspects and signals worker processes from outside.

use std::{fs, path::Path};

use nix::{sys::signal, unistd::Pid};
use pool::{Executor, Job};

use crate::waiting::wait_until;

pub use nix::sys::signal::Signal;

/// Returns whether the process exists, zombies included.
#[must_use]
pub fn exists(pid: u64) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Sends a signal to a process.
///
/// # Panics
/// If there is no such process.
pub fn send_signal(pid: u64, signal: Signal) {
    signal::kill(as_pid(pid), signal).expect("the process has exited");
}

/// Kills a process unless it has already exited.
pub fn kill_if_alive(pid: u64) {
    let _ = signal::kill(as_pid(pid), Signal::SIGKILL);
}

/// Kills a process and waits until it has been reaped.
///
/// # Panics
/// If there is no such process, or it is not reaped in time.
pub fn kill_and_wait(pid: u64) {
    send_signal(pid, Signal::SIGKILL);
    wait_until("the process is reaped", || !exists(pid));
}

/// Sends SIGSTOP and waits until the process is stopped.
///
/// # Panics
/// If there is no such process.
pub fn suspend(pid: u64) {
    send_signal(pid, Signal::SIGSTOP);
    wait_until("the process is stopped", || run_state(pid) == Some('T'));
}

/// Returns the state letter of a process from `/proc/PID/stat`.
#[must_use]
pub fn run_state(pid: u64) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Returns the resident memory of a process in bytes; 0 if there is no such process.
#[must_use]
pub fn memory(pid: u64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0) * 1024
}

/// Returns the process ids of all workers of a pool that still exist.
#[must_use]
pub fn live_pids<J: Job>(executor: &dyn Executor<J>) -> Vec<u64> {
    let known = executor.worker_stats().into_iter().filter_map(|worker| worker.pid);
    known.map(u64::from).filter(|&pid| exists(pid)).collect()
}

/// Returns the workers among the children of a process.
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

/// Returns whether a process is a worker. A guard, a forked copy of a worker, does not count.
#[must_use]
pub fn is_worker(pid: u64) -> bool {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    is_worker_name(&read("cmdline")) && read("comm").trim_ascii_end() != b"runner-guard"
}

/// Returns whether a command line is that of a worker: one argument that ends with ` worker ` and a number.
fn is_worker_name(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let slot = line.strip_suffix('\0').and_then(|name| name.rsplit_once(" worker "));
    slot.is_some_and(|(_, slot)| slot.parse::<u32>().is_ok())
}

fn as_pid(pid: u64) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("not a process id"))
}
