//! `runner each` and `--define`: persistent programs in any language as workers.

use std::{
    io::{Read, Write},
    process::Stdio,
};

use end_to_end::{Call, JournalDir, runner};
use nix::sys::signal::Signal;

/// Script that answers each line with its square.
pub(super) const SQUARE: &str = "while read -r x; do echo $((x * x)); done";

/// Returns `runner each` with these options and a shell script as its program.
pub(super) fn each(options: &[&str], script: &str) -> Call {
    let program = ["--", "sh", "-c", script];
    runner(["each", "-w", "2"].iter().chain(options).chain(&program))
}

pub(super) fn numbers(count: u64) -> String {
    (1..=count).map(|n| format!("{n}\n")).collect()
}

pub(super) fn squares(count: u64) -> String {
    (1..=count).map(|n| format!("{}\n", n * n)).collect()
}

/// Returns a script that performs an action for the line 5 and echoes all others.
pub(super) fn on_five(action: &str) -> String {
    format!("while read -r x; do if [ $x = 5 ]; then {action}; else echo $x; fi; done")
}

#[test]
fn each_line_has_a_reply_in_order() {
    let output = each(&[], SQUARE).stdin(numbers(1_000)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares(1_000).as_str(), "{}", output.stderr);
    let output = each(&["--unordered"], SQUARE).stdin(numbers(1_000)).run();
    let mut expected: Vec<String> = squares(1_000).lines().map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(output.sorted(), expected);
}

#[test]
fn lines_are_bytes_and_may_be_empty() {
    let input = b"a\xff\n\n \t x\r\n\0nul\nlast".to_vec();
    let output = each(&[], "exec cat").stdin(input.clone()).run();
    assert_eq!(output.stdout, [&input[..], b"\n"].concat(), "{}", output.stderr);
    let output = each(&[], "exec cat").stdin("").run();
    assert_eq!(output.code(), 0);
    assert_eq!(output.text(), "");
    let output = each(&["-0"], "exec cat").stdin("a\nb\0\0c").run();
    assert_eq!(output.text(), "a\nb\0\0c\0");
}

#[test]
fn json_values_are_passed_unchanged() {
    let echo = r#"while read -r x; do printf '{"result": %s}\n' "$x"; done"#;
    let input = "1.50\n{ \"b\": 1, \"a\": [1, 2] }\n123456789012345678901234567890\n";
    let output = each(&["--protocol", "json"], echo).stdin(input).run();
    assert_eq!(output.text(), "1.50\n{\"b\":1,\"a\":[1,2]}\n123456789012345678901234567890\n");
    let output = each(&["--protocol", "json"], echo).stdin("1\nno json\n2\n").run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert_eq!(output.text(), "1\nnull\n2\n", "{}", output.stderr);
}

#[test]
fn records_are_printed_on_request() {
    let output = each(&["--records"], &on_five("exit 3")).stdin(numbers(6)).run();
    let records = output.records();
    assert_eq!(records[0], serde_json::json!({"id": 0, "ok": true, "result": "1"}));
    let error = &records[4]["error"];
    assert_eq!(
        (&error["kind"], &error["exit_code"], &error["attempts"]),
        (&"crashed".into(), &3.into(), &3.into())
    );
    assert!(error["pid"].is_u64() && error["stderr"] == "", "{error}");
}

#[test]
fn user_defined_ops_mix_with_built_in_ones() {
    let sum = r#"sum=sh -c 'while read -r x; do echo "{\"result\": \"$x\"}"; done'"#;
    let define = [
        "--define",
        &sum.replacen("sum", "say", 1),
        "--define",
        r#"fail=sh -c 'while read -r x; do echo "{\"error\":\"no\"}"; done'"#,
    ];
    let jobs = r#"{"op":"say","args":{"text": "hello"},"id":7,"timeout":20}
{"op":"gcd","a":4,"b":6}
{"op":"fail","args":1}
{"op":"say"}
{"op":"nope","args":1}
"#;
    let output = runner(define).stdin(jobs).run();
    assert_eq!(
        output.kinds(),
        ["failed", "ok", "failed", "invalid", "invalid"].map(str::to_owned),
        "{}",
        output.text()
    );
    let jobs = jobs.replacen("{\"text\": \"hello\"}", "17", 1);
    let output = runner(define).stdin(jobs).run();
    let records = output.records();
    assert_eq!(records[0], serde_json::json!({"id": 7, "ok": true, "result": "17"}));
    assert_eq!(records[2]["error"]["message"], "no");
}

#[test]
fn bare_values_are_args_of_the_default_op() {
    let square = format!("sq=sh -c '{SQUARE}'");
    let output = runner(["--define", &square, "--protocol", "text", "--op", "sq"])
        .stdin("3\n{\"args\":4,\"id\":1}\n")
        .run();
    assert_eq!(
        output.text(),
        "{\"id\":0,\"ok\":true,\"result\":\"9\"}\n{\"id\":1,\"ok\":true,\"result\":\"16\"}\n"
    );
}

#[test]
fn invalid_command_lines_are_rejected() {
    for (arguments, reason) in [
        (&["--define", "gcd=cat"][..], "built-in op"),
        (&["--define", "a b=cat"], "letters, digits"),
        (&["--define", "x=cat", "--define", "x=cat"], "defined twice"),
        (&["--define", "x=cat 'oops"], "quote"),
        (&["--define", "x="], "empty"),
        (&["--define", "x"], "give a command"),
        (&["--define", "x=cat", "--op", "y"], "unknown op"),
        (&["--define", "x=cat", "--executor", "threads"], "worker processes"),
        (&["each"], "no program given"),
        (&["each", "--executor", "serial", "--", "cat"], "worker processes"),
        (&["each", "--op", "x", "--", "cat"], "--cluster"),
        (&["each", "--reply-fd", "2", "--", "cat"], "standard error"),
        (&["each", "--depth", "0", "--", "cat"], "above 0"),
        (&["-w", "4", "each", "--", "cat"], "each"),
    ] {
        let output = runner(arguments).run();
        assert_eq!(output.code(), 2, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(reason), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn large_lines_are_passed_in_both_directions() {
    let line = "x".repeat(10 << 20);
    let input = format!("{line}\n{line}\nend\n");
    let output = each(&[], "exec cat").stdin(input.clone()).run();
    assert!(output.stdout == input.as_bytes(), "{}", output.stderr);
}

#[test]
fn standard_error_is_passed_through() {
    let noise = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 99 >&2";
    let output = each(&[], &format!("while read -r x; do {noise}; echo $x; done")).stdin("1\n").run();
    assert_eq!(output.text(), "1\n");
    let lines = output.stderr.lines().filter(|line| line.bytes().all(|byte| byte == b'x'));
    assert_eq!(lines.map(str::len).sum::<usize>(), 20_000_000);
}

#[test]
fn replies_may_use_a_separate_descriptor() {
    let script = "while read -r x; do echo noise; echo $x >&3; done";
    let output = each(&["--reply-fd", "3"], script).stdin(numbers(3)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), numbers(3).as_str(), "{}", output.stderr);
    assert_eq!(output.stderr.matches("noise\n").count(), 3);
}

#[test]
fn program_sees_its_slot_and_generation() {
    let script = "while read -r x; do echo $RUNNER_SLOT.$RUNNER_GENERATION; done";
    let output = runner(["each", "-w", "1", "--", "sh", "-c", script]).stdin("1\n").run();
    assert_eq!(output.text(), "0.0\n", "{}", output.stderr);
}

#[test]
fn closed_output_ends_the_run() {
    let mut run =
        each(&[], SQUARE).stdin(numbers(200_000)).with(|c| c.stderr(Stdio::null())).start_with_input();
    let mut first = [0; 2];
    run.child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    assert_eq!(run.wait().signal(), Signal::SIGPIPE as i32);
}

#[test]
fn killed_run_is_resumed_with_the_same_output() {
    let (count, journal) = (3_000, JournalDir::new());
    let slow = "while read -r x; do echo $((x * x)); done";
    let options = ["--journal", &journal.journal.to_string_lossy()];
    let mut run = each(&options, slow).with(|c| c.stdin(Stdio::piped())).start_raw();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(&numbers(count).as_bytes()[..4_000]).unwrap();
    let mut some = vec![0; 1_000];
    run.child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), Signal::SIGKILL as i32);
    let output = each(&["--journal", &journal.journal.to_string_lossy(), "--resume"], slow)
        .stdin(numbers(count))
        .run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares(count).as_str(), "{}", output.stderr);
    let other = each(
        &["--journal", &journal.journal.to_string_lossy(), "--resume"],
        "while read -r x; do echo 1; done",
    );
    assert_eq!(other.stdin(numbers(count)).run().code(), 5, "the journal of another program was accepted");
}

#[test]
fn dry_run_counts_lines_and_starts_nothing() {
    let output = runner(["each", "--dry-run", "--", "no-such-program"]).stdin("1\n2\n").run();
    assert!(output.stderr.contains("2 jobs (2 no-such-program)"), "{}", output.stderr);
    assert_eq!(output.text(), "");
}
