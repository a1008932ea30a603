//! What the end-to-end tests share: starting `runner` under a hard cap, and proof that nothing of it stays behind.

pub mod answer;
pub mod blob;
mod call;
mod case;
pub mod counter;
mod deeds;
pub mod fault;
mod jobs;
mod kept;
pub mod nats;
mod output;
pub mod pipe;
pub mod probe;
pub mod rogue;
mod running;
pub mod screen;
pub mod stateful;
pub mod tally;
pub mod trap;
pub mod workers;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    thread,
};

pub use call::{Call, runner, runner_as_init};
pub use case::Case;
pub use jobs::{KILL_WORKER, gcd_jobs, shell_jobs};
pub use kept::{Kept, Logged};
pub use output::Output;
pub use running::Running;

/// A program of this workspace, built before the tests: `scripts/test` does it, or `cargo build --workspace --bins
/// --examples`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    // Tests lie in target/PROFILE/deps, other programs in target/PROFILE.
    let folder =
        test.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("a file lies in a folder");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --workspace --bins --examples` first",
        program.display()
    );
    program
}

/// An example of the library, built before the tests like the [programs](program).
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    program(&format!("examples/{name}"))
}

/// A file of `tests/data`.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// The bytes of a file of `tests/data`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn data_bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).expect("test data are readable")
}

/// What `runner` draws on a terminal as its standard error.
///
/// # Panics
/// When there is no terminal to be had.
#[must_use]
pub fn terminal(arguments: &[&str], input: &str) -> String {
    let terminal = nix::pty::openpty(None, None).expect("a terminal can be made");
    let mut screen = fs::File::from(terminal.master);
    let call = runner(arguments).stdin(input);
    let running = call.with(|c| c.stderr(fs::File::from(terminal.slave))).start();
    let reading = thread::spawn(move || {
        let mut drawn = Vec::new();
        let mut chunk = [0; 4096];
        // The terminal ends with an error when the last process has closed it.
        while let Ok(count @ 1..) = screen.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        drawn
    });
    let output = running.wait();
    assert_eq!(output.code(), 0);
    String::from_utf8_lossy(&reading.join().expect("reading goes on")).into_owned()
}
