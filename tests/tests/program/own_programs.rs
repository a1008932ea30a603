//! Runs the programs of `docs/src/own-programs.md`.

use std::{fs, path::Path, process::Command};

use end_to_end::runner;

/// Returns the first program in this language in the chapter with programs.
fn program(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/own-programs.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, chapter) = page.split_once("## From a filter to a worker").expect("the chapter is missing");
    let (_, rest) = chapter.split_once(&format!("```{language}\n")).expect("no program in this language");
    rest.split_once("```").unwrap().0.to_owned()
}

/// Returns whether a program is installed.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("NOT RUN: {program} is not installed");
    }
    is_there
}

/// Returns the output of the program in this language for some lines, run by this interpreter.
fn output(language: &str, interpreter: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), program(language)).unwrap();
    let path = file.path().to_str().unwrap();
    let call = runner(["each", "-w", "2", "--"].iter().chain(interpreter).chain(&[path]));
    let output = call.stdin("one\nthree\n\nfour\n").run();
    assert_eq!(output.code(), 0, "{language}: {}", output.stderr);
    output.text().to_owned()
}

const LENGTHS: &str = "3\n5\n0\n4\n";

#[test]
fn programs_in_common_languages() {
    assert_eq!(output("sh", &["sh"]), LENGTHS);
    let version = Command::new("awk").args(["-W", "version"]).output().unwrap();
    let is_mawk = version.stdout.starts_with(b"mawk");
    let awk: &[&str] = if is_mawk { &["awk", "-W", "interactive", "-f"] } else { &["awk", "-f"] };
    assert_eq!(output("awk", awk), LENGTHS);
    assert_eq!(output("perl", &["perl"]), LENGTHS);
    assert_eq!(output("python", &["python3"]), "ONE\nTHREE\n\nFOUR\n");
}

#[test]
fn programs_in_optional_languages() {
    if is_installed("ruby") {
        assert_eq!(output("ruby", &["ruby"]), LENGTHS);
    }
    if is_installed("node") {
        assert_eq!(output("javascript", &["node"]), LENGTHS);
    }
    if Command::new("go").arg("version").output().is_ok() {
        let folder = tempfile::tempdir().unwrap();
        let (source, built) = (folder.path().join("length.go"), folder.path().join("length"));
        fs::write(&source, program("go")).unwrap();
        assert!(Command::new("go").args(["build", "-o"]).args([&built, &source]).status().unwrap().success());
        let call = runner([Path::new("each"), Path::new("--"), &built]);
        assert_eq!(call.stdin("one\nthree\n\nfour\n").run().text(), LENGTHS);
    }
}

#[test]
fn crashing_inputs_of_a_parser_are_named() {
    const INPUTS: u64 = 10_000;
    // A native program that fails on two inputs.
    let folder = tempfile::tempdir().unwrap();
    let (source, built) = (folder.path().join("parse.c"), folder.path().join("parse"));
    let code = r#"
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            char line[100];
            setvbuf(stdout, NULL, _IOLBF, 0);
            while (fgets(line, sizeof line, stdin)) {
                long n = atol(line);
                if (n == 4711) *(volatile int *)0 = 1;
                if (n == 8042) sleep(1000);
                printf("%ld\n", 2 * n);
            }
        }"#;
    fs::write(&source, code).unwrap();
    let compiled = Command::new("cc").arg("-o").args([&built, &source]).status().unwrap();
    assert!(compiled.success());
    let journal = folder.path().join("parse.journal");
    let options = ["each", "--timeout", "0.5", "--retries", "0", "--records", "--journal"];
    let call = runner(options).with(|c| c.arg(&journal).arg("--").arg(&built));
    let output = call.stdin((0..INPUTS).map(|n| format!("{n}\n")).collect::<String>()).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    for (position, record) in (0..INPUTS).zip(output.records()) {
        let kind = record["error"]["kind"].as_str();
        match position {
            4711 => assert_eq!((kind, &record["error"]["signal"]), (Some("crashed"), &"SIGSEGV".into())),
            8042 => assert_eq!(kind, Some("timeout")),
            _ => assert_eq!(record["result"], (2 * position).to_string()),
        }
    }
}
