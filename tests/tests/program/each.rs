//! Programs in any language as warm workers: `runner each` and `--define`.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    process::Stdio,
};

use end_to_end::{Call, Kept, Output, runner};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A program that answers each line with its square.
const SQUARE: &str = "while read -r x; do echo $((x * x)); done";

/// `runner each` with these options, and a shell script as its program.
fn each(options: &[&str], script: &str) -> Call {
    let program = ["--", "sh", "-c", script];
    runner(["each", "-w", "2"].iter().chain(options).chain(&program))
}

fn numbers(count: u64) -> String {
    (1..=count).map(|n| format!("{n}\n")).collect()
}

fn squares(count: u64) -> String {
    (1..=count).map(|n| format!("{}\n", n * n)).collect()
}

/// The run and its input without its last job, which breaks something; other jobs have their results.
fn one_fails(output: &Output, failure: &str) {
    assert_eq!(output.code(), 1, "{}", output.stderr);
    let lines: Vec<&str> = output.text().lines().collect();
    let expected: Vec<String> = (1..=9).map(|n| if n == 5 { String::new() } else { n.to_string() }).collect();
    assert_eq!(lines, expected);
    assert!(output.stderr.contains(failure), "{}", output.stderr);
}

/// A program that does something with the line 5, and answers all others with themselves.
fn on_five(action: &str) -> String {
    format!("while read -r x; do if [ $x = 5 ]; then {action}; else echo $x; fi; done")
}

#[test]
fn a_line_in_is_a_line_out_in_order() {
    let output = each(&[], SQUARE).stdin(numbers(1_000)).run();
    assert_eq!((output.code(), output.text()), (0, squares(1_000).as_str()), "{}", output.stderr);
    let output = each(&["--unordered"], SQUARE).stdin(numbers(1_000)).run();
    let mut expected: Vec<String> = squares(1_000).lines().map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(output.sorted(), expected);
}

#[test]
fn lines_are_bytes_and_empty_ones_count() {
    let input = b"a\xff\n\n \t x\r\n\0nul\nlast".to_vec();
    let output = each(&[], "exec cat").stdin(input.clone()).run();
    assert_eq!(output.stdout, [&input[..], b"\n"].concat(), "{}", output.stderr);
    let output = each(&[], "exec cat").stdin("").run();
    assert_eq!((output.code(), output.text()), (0, ""));
    let output = each(&["-0"], "exec cat").stdin("a\nb\0\0c").run();
    assert_eq!(output.text(), "a\nb\0\0c\0");
}

#[test]
fn json_values_go_in_and_out_as_they_are_written() {
    let echo = r#"while read -r x; do printf '{"result": %s}\n' "$x"; done"#;
    let input = "1.50\n{ \"b\": 1, \"a\": [1, 2] }\n123456789012345678901234567890\n";
    let output = each(&["--protocol", "json"], echo).stdin(input).run();
    assert_eq!(output.text(), "1.50\n{\"b\":1,\"a\":[1,2]}\n123456789012345678901234567890\n");
    let output = each(&["--protocol", "json"], echo).stdin("1\nno json\n2\n").run();
    assert_eq!((output.code(), output.text()), (1, "1\nnull\n2\n"), "{}", output.stderr);
}

#[test]
fn records_can_be_printed_instead() {
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
fn a_defined_op_is_an_op_among_the_others() {
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
fn command_lines_that_cannot_be_meant_are_refused() {
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
fn a_program_that_cannot_be_executed_ends_the_run_at_its_start() {
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
fn a_program_that_cannot_work_ends_the_run_with_its_last_words() {
    for script in [
        "echo no module >&2; exit 1",
        "echo no module >&2; exit 0",
        "echo no module >&2; kill -9 $$",
        "read -r x; echo no module >&2; kill -SEGV $$",
    ] {
        let journal = Kept::new();
        let options = ["--journal", &journal.journal.to_string_lossy(), "--retries", "0"];
        let output = each(&options, script).stdin(numbers(100)).run();
        assert_eq!(output.code(), 4, "{script}: {}", output.stderr);
        assert!(output.stderr.contains("no module"), "{}", output.stderr);
        let resumed =
            each(&["--journal", &journal.journal.to_string_lossy(), "--resume"], script).stdin("").run();
        assert_eq!(resumed.code(), 0, "something was recorded: {}", resumed.stderr);
    }
}

#[test]
fn a_job_that_ends_the_program_is_blamed_for_it_and_no_other() {
    one_fails(&each(&[], &on_five("exit 3")).stdin(numbers(9)).run(), "line 5: crashed: sh ended");
    one_fails(&each(&[], &on_five("exit 0")).stdin(numbers(9)).run(), "(exit code 0)");
    one_fails(&each(&["--retries", "0"], &on_five("kill -SEGV $$")).stdin(numbers(9)).run(), "(SIGSEGV)");
    one_fails(&each(&["--depth", "64"], &on_five("kill -9 $$")).stdin(numbers(9)).run(), "(SIGKILL)");
}

#[test]
fn a_program_that_exits_between_requests_is_started_again() {
    let script = "for i in 1 2 3; do read -r x || exit; echo $((x * x)); done";
    let output = each(&["--depth", "1"], script).stdin(numbers(100)).run();
    assert_eq!((output.code(), output.text()), (0, squares(100).as_str()), "{}", output.stderr);
    let output = each(&["--retries", "1"], script).stdin(numbers(100)).run();
    assert_eq!((output.code(), output.text()), (0, squares(100).as_str()), "{}", output.stderr);
}

#[test]
fn what_breaks_the_protocol_fails_its_job_and_quotes() {
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
    assert_eq!((output.code(), output.text()), (1, "\n"));
    assert!(
        output.stderr.contains("output before the first request was read: \"hello\\n\""),
        "{}",
        output.stderr
    );
}

#[test]
fn json_replies_that_are_none_fail_their_jobs() {
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
fn a_program_that_does_not_reply_runs_into_the_limit() {
    let output = each(&["--timeout", "0.2"], &on_five("sleep 1000")).stdin(numbers(9)).run();
    one_fails(&output, "line 5: timeout: ran longer than 0.2 s");
    // It ignores the request to end.
    let script = format!("trap '' TERM; {}", on_five("while :; do sleep 1; done"));
    one_fails(
        &each(&["--timeout", "0.2", "--kill-after", "0.1"], &script).stdin(numbers(9)).run(),
        "timeout",
    );
}

#[test]
fn a_program_that_keeps_its_output_back_is_told_to_flush() {
    let python = ["--", "python3", "-c", "import sys\nfor line in sys.stdin: sys.stdout.write(line)"];
    // `awk` buffers what it writes to a pipe, whatever the environment says.
    let awk = ["--", "awk", "{ print }"];
    let output = runner(["each", "-w", "1", "--timeout", "0.3"].iter().chain(&awk)).stdin("1\n").run();
    assert_eq!((output.code(), output.text()), (1, "\n"), "{}", output.stderr);
    assert!(output.stderr.contains("must flush"), "{}", output.stderr);
    let output = runner(["each", "-w", "1", "--time-limit", "0.3"].iter().chain(&awk)).stdin("1\n").run();
    assert!(output.code() == 1 && output.stderr.contains("must flush"), "{}", output.stderr);
    let output = runner(["each", "-w", "1"].iter().chain(&python)).stdin("1\n").run();
    assert_eq!((output.code(), output.text()), (0, "1\n"), "PYTHONUNBUFFERED is set for it");
}

#[test]
fn a_slow_start_is_not_the_jobs_time() {
    let script = format!("sleep 1; {SQUARE}");
    let output = each(&["--timeout", "0.5"], &script).stdin(numbers(3)).run();
    assert_eq!((output.code(), output.text()), (0, squares(3).as_str()), "{}", output.stderr);
    let output = each(&["--start-timeout", "0.2", "--retries", "0"], &script).stdin(numbers(1)).run();
    assert_eq!(output.code(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("--start-timeout"), "{}", output.stderr);
}

#[test]
fn large_lines_pass_in_both_directions() {
    let line = "x".repeat(10 << 20);
    let input = format!("{line}\n{line}\nend\n");
    let output = each(&[], "exec cat").stdin(input.clone()).run();
    assert!(output.stdout == input.as_bytes(), "{}", output.stderr);
}

#[test]
fn a_child_that_holds_the_pipes_delays_nothing() {
    let output = each(&["--retries", "0"], &on_five("sleep 1000 & exit 3")).stdin(numbers(9)).run();
    one_fails(&output, "(exit code 3)");
}

#[test]
fn standard_error_passes_through_whole() {
    let noise = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 99 >&2";
    let output = each(&[], &format!("while read -r x; do {noise}; echo $x; done")).stdin("1\n").run();
    assert_eq!(output.text(), "1\n");
    let lines = output.stderr.lines().filter(|line| line.bytes().all(|byte| byte == b'x'));
    assert_eq!(lines.map(str::len).sum::<usize>(), 20_000_000);
}

#[test]
fn replies_may_have_a_descriptor_of_their_own() {
    let script = "while read -r x; do echo noise; echo $x >&3; done";
    let output = each(&["--reply-fd", "3"], script).stdin(numbers(3)).run();
    assert_eq!((output.code(), output.text()), (0, numbers(3).as_str()), "{}", output.stderr);
    assert_eq!(output.stderr.matches("noise\n").count(), 3);
}

#[test]
fn a_program_knows_its_place() {
    let script = "while read -r x; do echo $RUNNER_SLOT.$RUNNER_GENERATION; done";
    let output = runner(["each", "-w", "1", "--", "sh", "-c", script]).stdin("1\n").run();
    assert_eq!(output.text(), "0.0\n", "{}", output.stderr);
}

#[test]
fn a_reader_that_leaves_ends_the_run() {
    let mut run =
        each(&[], SQUARE).stdin(numbers(200_000)).with(|c| c.stderr(Stdio::null())).start_bare_fed();
    let mut first = [0; 2];
    run.child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    assert_eq!(run.wait().signal(), Signal::SIGPIPE as i32);
}

#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let (count, journal) = (3_000, Kept::new());
    let slow = "while read -r x; do echo $((x * x)); done";
    let options = ["--journal", &journal.journal.to_string_lossy()];
    let mut run = each(&options, slow).with(|c| c.stdin(Stdio::piped())).start_bare();
    let mut input = run.child.stdin.take().unwrap();
    input.write_all(&numbers(count).as_bytes()[..4_000]).unwrap();
    let mut some = vec![0; 1_000];
    run.child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().signal(), Signal::SIGKILL as i32);
    let output = each(&["--journal", &journal.journal.to_string_lossy(), "--resume"], slow)
        .stdin(numbers(count))
        .run();
    assert_eq!((output.code(), output.text()), (0, squares(count).as_str()), "{}", output.stderr);
    let other = each(
        &["--journal", &journal.journal.to_string_lossy(), "--resume"],
        "while read -r x; do echo 1; done",
    );
    assert_eq!(other.stdin(numbers(count)).run().code(), 5, "another program is another job");
}

#[test]
fn programs_that_are_killed_at_random_change_no_byte() {
    let count = if std::env::var_os("RUNNER_LONG").is_some() { 200_000 } else { 20_000 };
    let kills = count / 200;
    let mut run = each(&["--retries", "20"], SQUARE).stdin(numbers(count)).start();
    let mut killed = 0;
    while killed < kills && run.child.try_wait().unwrap().is_none() {
        // The guard has another name.
        for pid in run.programs("sh").into_iter().take(1) {
            killed += u64::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
        }
    }
    let output = run.wait();
    assert_eq!((output.code(), output.text() == squares(count)), (0, true), "{}", output.stderr);
    assert!(killed > 0);
}

/// A Python program that does something with the line 5, and answers all others with the worker's generation.
fn python_on_five(action: &str) -> String {
    format!(
        "import os, sys, time\nkept = []\nfor line in sys.stdin:\n if int(line) == 5: {action}\n print(os.environ['RUNNER_GENERATION'])"
    )
}

#[test]
fn a_program_that_takes_too_much_memory_is_ended_in_its_job() {
    let script = python_on_five("kept.append(bytearray(b'x') * (200 << 20)); time.sleep(1000)");
    let options = ["each", "-w", "1", "--max-rss", "100M", "--records", "--", "python3", "-c", &script];
    let output = runner(options).stdin(numbers(9)).run();
    let expected = (1..=9).map(|n| if n == 5 { "memory" } else { "ok" }.to_owned());
    assert_eq!(output.kinds(), expected.collect::<Vec<_>>(), "{}", output.stderr);
}

#[test]
fn a_program_that_leaks_is_replaced_between_two_jobs() {
    let script = python_on_five("kept.append(bytearray(b'x') * (100 << 20)); time.sleep(0.3)");
    let options = ["each", "-w", "1", "--depth", "1", "--recycle-rss", "60M", "--", "python3", "-c", &script];
    let output = runner(options).stdin(numbers(40)).run();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    let generations: Vec<&str> = output.text().lines().collect();
    assert_eq!((generations[0], generations[4], generations[39]), ("0", "0", "1"), "{generations:?}");
}

#[test]
fn programs_are_counted() {
    // One worker: the lines behind the fifth are its replacement's.
    let script = on_five("exit 3");
    let options = ["each", "-w", "1", "--stats=json", "--retries", "0", "--", "sh", "-c", &script];
    let output = runner(options).stdin(numbers(9)).run();
    let stats = output.stderr.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let expected = serde_json::json!({"started": 2, "replaced": 1, "crashed": 1});
    assert_eq!(stats.unwrap()["programs"], expected);
}

#[test]
fn a_dry_run_counts_lines_and_starts_nothing() {
    let output = runner(["each", "--dry-run", "--", "no-such-program"]).stdin("1\n2\n").run();
    assert!(output.stderr.contains("2 jobs (2 no-such-program)"), "{}", output.stderr);
    assert_eq!(output.text(), "");
}
