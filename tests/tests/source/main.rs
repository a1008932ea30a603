//! Rules for the source tree itself: which crate may depend on which, no import cycles, sizes, plain
//! language.

mod dependencies;
mod examples;
mod imports;
mod language;
mod pages;
mod sizes;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Folders that hold no source: what is built, what fuzzing has found, and what tools of Python keep.
const NO_SOURCE: [&str; 7] =
    ["target", "corpus", ".git", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"];

/// Files of the source tree, as paths relative to the [root], in alphabetical order.
fn files() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            match entry.file_type().unwrap() {
                // An extension module of Python is in its package when it is tried there.
                kind if kind.is_file() && path.extension().is_some_and(|kind| kind == "so") => {}
                kind if kind.is_file() => files.push(path),
                kind if kind.is_dir() && !NO_SOURCE.iter().any(|name| path.ends_with(name)) => {
                    folders.push(path);
                }
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Rust files of the repository.
fn rust_files() -> Vec<PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// Fails with all complaints, one a line.
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}
