//! Helpers of the end-to-end tests: they start `runner` with a hard time limit and check that it leaves no
//! processes behind.

mod actions;
pub mod answer;
pub mod bad_serde;
pub mod blob;
mod call;
mod case;
pub mod counter;
pub mod fault;
mod jobs;
mod journal_dir;
pub mod nats;
mod output;
pub mod pipe;
pub mod probe;
pub mod rogue;
mod running;
pub mod screen;
pub mod stateful;
pub mod tally;
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
pub use journal_dir::{JournalDir, LoggedCommands};
pub use output::Output;
pub use running::Running;

/// Returns the path of a program of this workspace. It has to be built before the tests, by `scripts/test` or
/// by `cargo build --workspace --bins --examples`.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("cannot find the test's executable");
    // Tests are in target/PROFILE/deps, other programs in target/PROFILE.
    let folder = test
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .expect("the executable has no parent");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --workspace --bins --examples` first",
        program.display()
    );
    program
}

/// Returns the path of an example of the library, which has to be built like a [program](program).
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    program(&format!("examples/{name}"))
}

/// Returns the path of a file in `tests/data`.
#[must_use]
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// Returns the content of a file in `tests/data`.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn data_bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).expect("cannot read the test data")
}

/// Runs `runner` with a terminal as standard error and returns what it writes there.
///
/// # Panics
/// If no pseudoterminal can be opened or `runner` fails.
#[must_use]
pub fn terminal(arguments: &[&str], input: &str) -> String {
    let terminal = nix::pty::openpty(None, None).expect("cannot open a pseudoterminal");
    let mut screen = fs::File::from(terminal.master);
    let call = runner(arguments).stdin(input);
    let running = call.with(|c| c.stderr(fs::File::from(terminal.slave))).start();
    let reading = thread::spawn(move || {
        let mut drawn = Vec::new();
        let mut chunk = [0; 4096];
        // Reading fails once the last process has closed the terminal.
        while let Ok(count @ 1..) = screen.read(&mut chunk) {
            drawn.extend_from_slice(&chunk[..count]);
        }
        drawn
    });
    let output = running.wait();
    assert_eq!(output.code(), 0);
    String::from_utf8_lossy(&reading.join().expect("the reading thread panicked")).into_owned()
}
