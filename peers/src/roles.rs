//! What this program is when it has started itself as a helper of a row.

use std::{
    env,
    io::{self, BufRead, Write},
    process::{Command, ExitCode},
};

use nix::time::{ClockId, clock_gettime};

use crate::{
    bare,
    child::Talker,
    rounds::Result,
    task::{spin, trial},
};

/// The argument that makes a helper of the program.
const ROLE: &str = "--as-helper";

/// Answers the parent's requests if this process was started for that.
pub(crate) fn enter_if_helper() -> Option<ExitCode> {
    let mut arguments = env::args().skip(1);
    if arguments.next()? != ROLE {
        return None;
    }
    let done = match arguments.next() {
        Some(rendezvous) => {
            let core = arguments.next().and_then(|core| core.parse().ok());
            core.map_or(Ok(()), bare::stay_on).and_then(|()| bare::echo(rendezvous))
        }
        None => compute(),
    };
    // The parent is gone if this fails, and nobody reads what it would say.
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A process that computes in its only thread.
pub(crate) fn start_loner() -> Result<Talker> {
    Talker::start(Command::new("/proc/self/exe").arg(ROLE))
}

/// The command of a process that sends back what it receives, and stays on one core.
pub(crate) fn echo_command(rendezvous: &str, core: usize) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([ROLE, rendezvous, &core.to_string()]);
    command
}

/// Each line: `trial` or `spin`, then numbers. The answer: nanoseconds of processor time, and the sum of the results.
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

/// The processor time of this process. Unlike the clock's, it does not grow while others are served.
fn cpu_ns() -> Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}
