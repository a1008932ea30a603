//! `runner each`: programs that fail, hang or break the protocol.

use std::fs;

use end_to_end::{JournalDir, Output, runner};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::each::{SQUARE, each, numbers, on_five, squares};

/// Checks that only the job of line 5 fails, with this message, and that the other jobs have their results.
fn one_fails(output: &Output, failure: &str) {
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let lines: Vec<&str> = output.text().lines().collect();
    let expected: Vec<String> = (1..=9).map(|n| if n == 5 { String::new() } else { n.to_string() }).collect();
    assert_eq!(lines, expected);
    assert!(output.stderr.contains(failure), "{}", output.stderr);
}

#[test]
fn program_that_cannot_be_executed_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mut executable = fs::metadata(&broken).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut executable, 0o755);
    fs::set_permissions(&broken, executable).unwrap();
    for program in ["no-such-program", "/etc", plain.to_str().unwrap(), broken.to_str().unwrap()] {
        let output = runner(["each", "--", program]).stdin(numbers(20)).run();
        assert_eq!(output.code(), 4, "{program}: {}", output.stderr);
        assert!(output.stderr.contains(&format!("cannot run `{program}`")), "{}", output.stderr);
    }
}

#[test]
fn program_that_fails_to_start_ends_the_run_with_its_standard_error() {
    for script in [
        "echo no module >&2; exit 1",
        "echo no module >&2; exit 0",
        "echo no module >&2; kill -9 $$",
        "read -r x; echo no module >&2; kill -SEGV $$",
    ] {
        let journal = JournalDir::new();
        let options = ["--journal", &journal.journal.to_string_lossy(), "--retries", "0"];
        let output = each(&options, script).stdin(numbers(100)).run();
        assert_eq!(output.code(), 4, "{script}: {}", output.stderr);
        assert!(output.stderr.contains("no module"), "{}", output.stderr);
        let resumed =
            each(&["--journal", &journal.journal.to_string_lossy(), "--resume"], script).stdin("").run();
        assert_eq!(resumed.code(), 0, "a job was recorded: {}", resumed.stderr);
    }
}

#[test]
fn only_the_job_that_ends_the_program_is_blamed() {
    one_fails(
        &each(&[], &on_five("exit 3")).stdin(numbers(9)).run(),
        "line 5: crashed: sh exited before it replied",
    );
    one_fails(&each(&[], &on_five("exit 0")).stdin(numbers(9)).run(), "(exit code 0)");
    one_fails(&each(&["--retries", "0"], &on_five("kill -SEGV $$")).stdin(numbers(9)).run(), "(SIGSEGV)");
    one_fails(&each(&["--depth", "64"], &on_five("kill -9 $$")).stdin(numbers(9)).run(), "(SIGKILL)");
}

#[test]
fn program_that_exits_between_requests_is_restarted() {
    let script = "for i in 1 2 3; do read -r x || exit; echo $((x * x)); done";
    let output = each(&["--depth", "1"], script).stdin(numbers(100)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares(100).as_str(), "{}", output.stderr);
    let output = each(&["--retries", "1"], script).stdin(numbers(100)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares(100).as_str(), "{}", output.stderr);
}

#[test]
fn protocol_violation_fails_the_job_and_is_quoted() {
    for (action, failure) in [
        ("printf 'a\\nb\\n'", "reply without a request: \"b\\n\""),
        ("printf half; exit 0", "cut off by the end of the output: \"half\""),
        ("exec >&-; sleep 100", "standard output was closed"),
    ] {
        let output = each(&["--depth", "1", "--kill-after", "0.1"], &on_five(action)).stdin(numbers(9)).run();
        one_fails(&output, failure);
        assert!(output.stderr.contains("line 5: failed: protocol: sh: "), "{}", output.stderr);
    }
    let output = each(&["--max-result", "1M"], &on_five("yes | tr -d '\\n'")).stdin(numbers(9)).run();
    one_fails(&output, "--max-result");
    let output = each(&[], "echo hello; exec cat").stdin("1\n").run();
    assert_eq!(output.code(), 1);
    assert_eq!(output.text(), "\n");
    assert!(
        output.stderr.contains("output before the first request was read: \"hello\\n\""),
        "{}",
        output.stderr
    );
}

#[test]
fn invalid_json_replies_fail_their_jobs() {
    let echo = r#"while read -r x; do eval "printf '%s\n' $x"; done"#;
    let input =
        "\"'{\\\"result\\\":1}'\"\n\"17\"\n\"'{}'\"\n\"'{\\\"result\\\":1,\\\"error\\\":\\\"x\\\"}'\"\n";
    let output = each(&["--protocol", "json", "--records"], echo).stdin(input).run();
    let records = output.records();
    for record in &records {
        assert_eq!(record["error"]["kind"], "failed", "{record}");
        assert!(record["error"]["message"].as_str().unwrap().starts_with("protocol: sh: "), "{record}");
    }
    assert_eq!(records.len(), 4);
}

#[test]
fn program_that_does_not_reply_times_out() {
    let output = each(&["--timeout", "0.2"], &on_five("sleep 1000")).stdin(numbers(9)).run();
    one_fails(&output, "line 5: timeout: ran longer than 0.2 s");
    // It ignores SIGTERM.
    let script = format!("trap '' TERM; {}", on_five("while :; do sleep 1; done"));
    one_fails(
        &each(&["--timeout", "0.2", "--kill-after", "0.1"], &script).stdin(numbers(9)).run(),
        "timeout",
    );
}

#[test]
fn timeout_of_a_buffering_program_hints_at_flushing() {
    let python = ["--", "python3", "-c", "import sys\nfor line in sys.stdin: sys.stdout.write(line)"];
    // `awk` buffers its output to a pipe regardless of the environment.
    let awk = ["--", "awk", "{ print }"];
    let output = runner(["each", "-w", "1", "--timeout", "0.3"].iter().chain(&awk)).stdin("1\n").run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert_eq!(output.text(), "\n", "{}", output.stderr);
    assert!(output.stderr.contains("must flush"), "{}", output.stderr);
    let output = runner(["each", "-w", "1", "--time-limit", "0.3"].iter().chain(&awk)).stdin("1\n").run();
    assert!(output.code() == 1 && output.stderr.contains("must flush"), "{}", output.stderr);
    let output = runner(["each", "-w", "1"].iter().chain(&python)).stdin("1\n").run();
    assert_eq!(output.code(), 0, "PYTHONUNBUFFERED is not set");
    assert_eq!(output.text(), "1\n", "PYTHONUNBUFFERED is not set");
}

#[test]
fn start_of_the_program_does_not_count_for_the_job() {
    let script = format!("sleep 1; {SQUARE}");
    let output = each(&["--timeout", "0.5"], &script).stdin(numbers(3)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), squares(3).as_str(), "{}", output.stderr);
    let output = each(&["--start-timeout", "0.2", "--retries", "0"], &script).stdin(numbers(1)).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("--start-timeout"), "{}", output.stderr);
}

#[test]
fn child_with_open_pipes_does_not_delay() {
    let output = each(&["--retries", "0"], &on_five("sleep 1000 & exit 3")).stdin(numbers(9)).run();
    one_fails(&output, "(exit code 3)");
}

#[test]
fn killed_programs_do_not_change_the_output() {
    let count = if std::env::var_os("RUNNER_LONG").is_some() { 200_000 } else { 20_000 };
    let kills = count / 200;
    let mut run = each(&["--retries", "20"], SQUARE).stdin(numbers(count)).start();
    let mut killed = 0;
    while killed < kills && run.child.try_wait().unwrap().is_none() {
        // Guards have another name and are not killed.
        for pid in run.programs("sh").into_iter().take(1) {
            killed += u64::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
        }
    }
    let output = run.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert!(output.text() == squares(count), "{}", output.stderr);
    assert!(killed > 0);
}

/// Returns a Python program that performs an action for the line 5 and answers each line with the worker's
/// generation.
fn python_on_five(action: &str) -> String {
    format!(
        "import os, sys, time\nkept = []\nfor line in sys.stdin:\n if int(line) == 5: {action}\n \
         print(os.environ['RUNNER_GENERATION'])"
    )
}

#[test]
fn program_that_exceeds_max_rss_is_killed_and_its_job_fails() {
    let script = python_on_five("kept.append(bytearray(b'x') * (200 << 20)); time.sleep(1000)");
    let options = ["each", "-w", "1", "--max-rss", "100M", "--records", "--", "python3", "-c", &script];
    let output = runner(options).stdin(numbers(9)).run();
    let expected = (1..=9).map(|n| if n == 5 { "memory" } else { "ok" }.to_owned());
    assert_eq!(output.kinds(), expected.collect::<Vec<_>>(), "{}", output.stderr);
}

#[test]
fn leaking_program_is_replaced_between_jobs() {
    let script = python_on_five("kept.append(bytearray(b'x') * (100 << 20)); time.sleep(0.3)");
    let options = ["each", "-w", "1", "--depth", "1", "--recycle-rss", "60M", "--", "python3", "-c", &script];
    let output = runner(options).stdin(numbers(40)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let generations: Vec<&str> = output.text().lines().collect();
    assert_eq!((generations[0], generations[4], generations[39]), ("0", "0", "1"), "{generations:?}");
}

#[test]
fn statistics_count_programs() {
    // With one worker, the lines after the fifth go to its replacement.
    let script = on_five("exit 3");
    let options = ["each", "-w", "1", "--stats=json", "--retries", "0", "--", "sh", "-c", &script];
    let output = runner(options).stdin(numbers(9)).run();
    let stats = output.stderr.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let expected = serde_json::json!({"started": 2, "replaced": 1, "crashed": 1});
    assert_eq!(stats.unwrap()["programs"], expected);
}
