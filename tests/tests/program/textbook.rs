//! `textbook` reproduces the tables of the text in the available languages and checks all results.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use end_to_end::{Call, Output, program};
use serde_json::Value;

/// Number of variants of the four experiments.
const ROWS: usize = 20;

/// Runs a quick round in a directory that contains `peers/python`.
fn quick(folder: &Path, arguments: &[&str]) -> Output {
    let call = Call::new(&program("textbook"), ["--quick", "--rounds", "1"]);
    call.with(|c| c.args(arguments).current_dir(folder)).run()
}

/// Returns the output and the JSON report of a quick round with one more option and its value.
fn report(argument: [&str; 2]) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = quick(&root, &["--json", file.to_str().unwrap(), argument[0], argument[1]]);
    assert_eq!(output.code(), 0, "{}{}", output.text(), output.stderr);
    let report = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    (output, report)
}

fn has_times(row: &Value, language: &str) -> bool {
    row[language]["median"].as_f64().is_some_and(|seconds| seconds > 0.0)
}

#[test]
fn reports_missing_python() {
    let (output, report) = report(["--no-python", "not installed"]);
    assert!(output.text().contains("MISSING Python: not installed"), "{}", output.text());
    assert_eq!(report["python_missing"], "not installed");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), ROWS);
    assert!(rows.iter().all(|row| has_times(row, "rust") && row["python"].is_null()), "{rows:?}");
    assert_eq!(output.text().matches(" missing |").count(), ROWS);
}

#[test]
fn both_languages_are_measured_with_python() {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        eprintln!("there is no python3, so nothing is compared with it");
        return;
    }
    let (_, report) = report(["--python", "python3"]);
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| has_times(row, "rust") && has_times(row, "python")), "{rows:?}");
}

#[test]
fn wrong_result_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("peers/python");
    fs::create_dir_all(&scripts).unwrap();
    let liar = "echo liar\nwhile read -r run; do echo '{\"done\":[0.1,[[1]]]}'; done\n";
    fs::write(scripts.join("textbook.py"), liar).unwrap();
    let output = quick(folder.path(), &["--python", "sh"]);
    assert_eq!(output.code(), 2, "{}", output.text());
    assert!(output.stderr.contains("factorize, in series, Python: wrong results"), "{}", output.stderr);
}
