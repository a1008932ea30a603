//! The benchmark `cluster` reports missing peers and checks all results.

use std::{env, fs, path::Path};

use end_to_end::{Call, Output, nats::can_run, program};

/// Runs a quick round in a directory that may contain `peers/python`.
fn quick(folder: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", env::var("PATH").unwrap_or_default());
    let call = Call::new(&program("cluster"), ["--quick", "--rounds", "1"]);
    call.with(|c| c.args(arguments).current_dir(folder).env("PATH", path)).run()
}

#[test]
fn measures_cluster_and_local_pool_and_reports_missing_peers() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = quick(folder.path(), &["--no-python", "not installed"]);
    assert_eq!(output.code(), 0, "{}{}", output.text(), output.stderr);
    let text = output.text();
    for line in ["MISSING Ray: not installed", "MISSING Dask: not installed"] {
        assert!(text.contains(line), "{text}");
    }
    for row in ["| `runner --cluster`, two nodes of one worker |", "| `runner --workers 2`, no cluster |"] {
        assert_eq!(text.matches(row).count(), 2, "{text}");
    }
}

#[test]
fn wrong_sum_is_an_error() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("peers/python");
    fs::create_dir_all(&scripts).unwrap();
    let liar = "echo version 1\necho ready\nwhile read -r run; do echo 1000 7; done\n";
    fs::write(scripts.join("ray_peer.py"), liar).unwrap();
    fs::write(scripts.join("dask_peer.py"), "echo missing no such module\n").unwrap();
    let output = quick(folder.path(), &["--python", "sh"]);
    assert_eq!(output.code(), 2, "{}", output.text());
    assert!(output.text().contains("MISSING Dask: no such module"), "{}", output.text());
    assert!(output.stderr.contains("Ray: results add up to 7 instead of"), "{}", output.stderr);
}
