//! Programs, examples and data files that the tests use.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// Copies a program of this workspace to a file, which can be executed at once. If this process itself wrote
/// the file, a program that another test starts meanwhile could have it open, too, and it would be busy.
///
/// # Panics
/// If it cannot be copied.
pub fn copy_program(name: &str, to: &Path) {
    let copied = Command::new("cp").arg(program(name)).arg(to).status();
    assert!(copied.expect("cannot start cp").success(), "cannot copy {name}");
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
