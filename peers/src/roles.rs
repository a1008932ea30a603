//! Helper processes of some rows: this program, started by itself.

use std::{
    env,
    io::{self, BufRead, Write},
    process::{Command, ExitCode},
};

use ipc_channel::ipc::{IpcSender, bytes_channel};
use nix::time::{ClockId, clock_gettime};

use crate::{
    affinity::stay_on,
    child::LineClient,
    rounds::Result,
    task::{spin, trial},
};

/// First argument of a helper.
const ROLE: &str = "--as-helper";

/// Serves the parent's requests if this process was started as a helper; returns the exit code then.
pub(crate) fn enter_if_helper() -> Option<ExitCode> {
    let mut arguments = env::args().skip(1);
    if arguments.next()? != ROLE {
        return None;
    }
    let done = match arguments.next() {
        Some(rendezvous) => {
            let core = arguments.next().and_then(|core| core.parse().ok());
            core.map_or(Ok(()), stay_on).and_then(|()| echo(rendezvous))
        }
        None => compute(),
    };
    // If this fails, the parent has exited and no process reads messages.
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a helper that computes in its only thread.
pub(crate) fn start_helper() -> Result<LineClient> {
    LineClient::start(Command::new("/proc/self/exe").arg(ROLE))
}

/// Command of a helper that sends back what it receives and runs on one core.
pub(crate) fn echo_command(rendezvous: &str, core: usize) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([ROLE, rendezvous, &core.to_string()]);
    command
}

/// Sends back what the parent sends, until the channel is closed.
fn echo(rendezvous: String) -> Result<()> {
    let (there, receiver) = bytes_channel()?;
    let (sender, back) = bytes_channel()?;
    IpcSender::connect(rendezvous)?.send((there, back))?;
    loop {
        sender.send(&receiver.recv()?)?;
    }
}

/// Computes for each line of standard input, `trial` or `spin` followed by numbers. Prints the CPU time in
/// nanoseconds and the sum of the results.
fn compute() -> Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let work = if words.next() == Some("trial") { trial } else { spin };
        let numbers: Vec<u64> = words.map(str::parse).collect::<std::result::Result<_, _>>()?;
        let start = cpu_ns()?;
        let sum = numbers.into_iter().map(work).fold(0, u64::wrapping_add);
        println!("{} {sum}", cpu_ns()? - start);
        io::stdout().flush()?;
    }
    Ok(())
}

/// CPU time of this process in nanoseconds. Unlike wall-clock time, it does not include time in which other
/// processes run.
fn cpu_ns() -> Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}
