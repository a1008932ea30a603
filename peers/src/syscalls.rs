//! Counts the system calls of running processes with perf or, where that is not permitted, with strace.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{report::Missing, rounds::Result};

const ALL: &str = "raw_syscalls:sys_enter";
const YIELDS: &str = "syscalls:sys_enter_sched_yield";

/// Numbers of system calls of several processes with all their threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) yields: u64,
    /// All but `sched_yield`.
    pub(crate) others: u64,
}

/// A tool that counts system calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    /// Counts in the kernel and hardly slows down what it counts.
    Perf,
    /// Stops a process at every system call.
    Strace,
}

impl Counter {
    /// Returns the first tool that is installed and may be attached to these processes, or the reasons why
    /// there is none.
    pub(crate) fn find(processes: &[u32]) -> std::result::Result<Counter, Vec<Missing>> {
        let mut missing = Vec::new();
        for counter in [Counter::Perf, Counter::Strace] {
            match counter.count(processes, || Ok(())) {
                Ok(_) => return Ok(counter),
                Err(error) => {
                    missing.push(Missing { peer: counter.name().to_owned(), reason: error.to_string() });
                }
            }
        }
        Err(missing)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Counter::Perf => "perf",
            Counter::Strace => "strace",
        }
    }

    /// Counts the system calls of these processes while `work` runs.
    pub(crate) fn count(self, processes: &[u32], work: impl FnOnce() -> Result<()>) -> Result<Calls> {
        match self {
            Counter::Perf => with_perf(processes, work),
            Counter::Strace => with_strace(processes, work),
        }
    }
}

/// Attaches first and then enables the counters, so that starting perf is not counted.
fn with_perf(processes: &[u32], work: impl FnOnce() -> Result<()>) -> Result<Calls> {
    let list: Vec<String> = processes.iter().map(u32::to_string).collect();
    let mut perf = Command::new("perf");
    perf.args(["stat", "-x;", "-e", ALL, "-e", YIELDS, "--delay=-1", "--control=fd:0,1", "-p"]);
    let mut perf = Attached::start(perf.arg(list.join(",")))?;
    let mut replies = BufReader::new(perf.child.stdout.take().ok_or("no output")?);
    if request(&mut perf.child, &mut replies, "enable").is_err() {
        return Err(cause(&perf.finish()?).into());
    }
    work()?;
    request(&mut perf.child, &mut replies, "disable")?;
    counts_of_perf(&perf.finish()?)
}

/// Sends a command to perf and waits for its acknowledgement.
fn request(perf: &mut Child, replies: &mut BufReader<ChildStdout>, command: &str) -> Result<()> {
    // In one write: perf expects a whole command in each read.
    perf.stdin.as_mut().ok_or("no input")?.write_all(format!("{command}\n").as_bytes())?;
    match replies.read_line(&mut String::new())? {
        0 => Err("perf exited early".into()),
        _ => Ok(()),
    }
}

/// Parses lines of `COUNT;;EVENT;...` among others.
fn counts_of_perf(report: &str) -> Result<Calls> {
    let count = |event: &str| -> Result<u64> {
        let line = report.lines().find(|line| line.split(';').nth(2) == Some(event));
        let count = line.and_then(|line| line.split(';').next()?.parse().ok());
        Ok(count.ok_or_else(|| format!("perf did not count {event}"))?)
    };
    let yields = count(YIELDS)?;
    Ok(Calls { yields, others: count(ALL)?.saturating_sub(yields) })
}

/// Waits until strace is attached to all processes, so that none of their calls is missed.
fn with_strace(processes: &[u32], work: impl FnOnce() -> Result<()>) -> Result<Calls> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c"]);
    processes.iter().for_each(|process| {
        strace.args(["-p", &process.to_string()]);
    });
    let mut strace = Attached::start(&mut strace)?;
    let mut attached = 0;
    while attached < processes.len() {
        let mut line = String::new();
        strace.stderr.read_line(&mut line)?;
        match line.as_str() {
            "" => return Err("strace exited early".into()),
            line if line.contains(" attached") => attached += 1,
            line => return Err(cause(line).into()),
        }
    }
    work()?;
    counts_of_strace(&strace.finish()?)
}

/// Parses rows of `% time, seconds, usecs/call, calls, [errors], syscall` and a row for the total.
fn counts_of_strace(report: &str) -> Result<Calls> {
    let row = |line: &str| -> Option<(u64, String)> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.first()?.parse::<f64>().ok()?;
        Some((columns.get(3)?.parse().ok()?, (*columns.last()?).to_owned()))
    };
    let rows: Vec<(u64, String)> = report.lines().filter_map(row).collect();
    let calls = |is_counted: fn(&str) -> bool| {
        rows.iter().filter(|(_, name)| is_counted(name)).map(|(calls, _)| calls).sum()
    };
    if rows.is_empty() {
        return Err(cause(report).into());
    }
    Ok(Calls {
        yields: calls(|name| name == "sched_yield"),
        others: calls(|name| !["sched_yield", "total"].contains(&name)),
    })
}

/// Returns the first line of the output of a tool.
fn cause(report: &str) -> String {
    report.lines().next().unwrap_or("no output").trim().to_owned()
}

/// A tool that runs until it receives SIGINT.
struct Attached {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Attached {
    fn start(command: &mut Command) -> Result<Attached> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let stderr = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        Ok(Attached { child, stderr })
    }

    /// Interrupts the tool and returns the rest of its output.
    fn finish(mut self) -> Result<String> {
        self.interrupt();
        let mut report = String::new();
        self.stderr.read_to_string(&mut report)?;
        Ok(report)
    }

    fn interrupt(&mut self) {
        // The id cannot be reused before the process has been waited for.
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _ = kill(Pid::from_raw(id), Signal::SIGINT);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.interrupt();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_are_counted_apart_by_perf() {
        let report = "Events disabled\nEvents enabled\nEvents disabled\n\
                      1504;;raw_syscalls:sys_enter;1352975;100.00;;\n\
                      1000;;syscalls:sys_enter_sched_yield;1352975;100.00;;\n";
        assert_eq!(counts_of_perf(report).unwrap(), Calls { yields: 1000, others: 504 });
        let refused = "<not counted>;;syscalls:sys_enter_sched_yield;0;0.00;;\n";
        assert!(counts_of_perf(refused).is_err() && counts_of_perf("").is_err());
    }

    #[test]
    fn yields_are_counted_apart_by_strace() {
        let report = "\
strace: Process 7 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 66.67    0.000002           0      1000           sched_yield
 33.33    0.000001           0        20         3 futex
  0.00    0.000000           0         4           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.000003           0      1024         3 total
";
        assert_eq!(counts_of_strace(report).unwrap(), Calls { yields: 1000, others: 24 });
        let refused = "strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n";
        assert!(counts_of_strace(refused).unwrap_err().to_string().contains("not permitted"));
    }
}
