//! A job type that prints, for tests of the workers' standard output and standard error.

use std::{
    env,
    io::{self, Write},
    process::{self, Command},
    thread,
};

use pool::{Executor, Job, ProcessPool, settings::ProcessPoolBuilder, worker::Context};
use serde::{Deserialize, Serialize};

use crate::program;

/// Variable with which the state of a worker prints when it is created and when the worker exits.
pub const GREET: &str = "PRINTING_GREET";

/// A job that prints. Its output is the id of its process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Printing {
    /// Prints to standard output.
    Out(String),
    /// Prints to standard error.
    Err(String),
    /// Panics with this message.
    Panic(String),
    /// Panics with this message in a thread of its own.
    PanicInThread(String),
    /// Prints to standard output and aborts its process.
    OutThenAbort(String),
    /// Prints to standard output and never returns.
    OutThenHang(String),
    /// Prints this number of numbered lines.
    Lines(u64),
    /// Prints this text again and again, without end.
    Endless(String),
    /// Closes standard output.
    CloseOutput,
    /// Runs a shell script; the output is its exit code.
    Shell(String),
}

/// Worker state that may print.
pub struct Greeter;

impl Context for Greeter {
    type Args = ();
    type Error = String;
    type Report = ();

    fn start((): ()) -> Result<Greeter, String> {
        if env::var_os(GREET).is_some() {
            println!("started");
        }
        Ok(Greeter)
    }

    fn finish(self) -> Result<(), String> {
        if env::var_os(GREET).is_some() {
            print!("finished");
        }
        Ok(())
    }
}

impl Job for Printing {
    const NAME: &'static str = "printing";
    type Output = u32;
    type Error = String;
    type Context = Greeter;

    fn run(self, _: &mut Greeter) -> Result<u32, String> {
        match self {
            Printing::Out(text) => print_out(&text),
            Printing::Err(text) => eprint!("{text}"),
            Printing::Panic(message) => panic!("{message}"),
            Printing::PanicInThread(message) => {
                let thread = thread::spawn(move || panic!("{message}"));
                assert!(thread.join().is_err());
            }
            Printing::OutThenAbort(text) => {
                print_out(&text);
                process::abort();
            }
            Printing::OutThenHang(text) => {
                print_out(&text);
                loop {
                    thread::park();
                }
            }
            Printing::Lines(count) => (0..count).for_each(|n| println!("line {n}")),
            Printing::Endless(text) => loop {
                print_out(&text);
            },
            Printing::CloseOutput => nix::unistd::close(1).expect("standard output is open"),
            Printing::Shell(script) => return shell(&script),
        }
        Ok(process::id())
    }
}

fn print_out(text: &str) {
    print!("{text}");
    io::stdout().flush().expect("cannot print");
}

fn shell(script: &str) -> Result<u32, String> {
    let status = Command::new("/bin/sh").args(["-c", script]).status().map_err(|error| error.to_string())?;
    Ok(status.code().map_or(u32::MAX, i32::cast_unsigned))
}

/// Returns a builder for a pool whose workers serve this job type.
pub fn printers(workers: usize) -> ProcessPoolBuilder<Printing> {
    ProcessPool::builder().workers(workers).worker_program(program("output-probe")).retries(0)
}

/// Runs one job to its outcome.
///
/// # Panics
/// If the pool is closed or the job fails.
pub fn run(pool: &dyn Executor<Printing>, job: Printing) -> u32 {
    pool.submit(job).expect("the pool is closed").result().expect("the job failed")
}
