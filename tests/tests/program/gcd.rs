//! `runner gcd`: one result for all operands, or one for each line.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use end_to_end::{Call, Output, program, runner};

fn of_operands(operands: &[&str]) -> Output {
    runner([&["gcd"], operands].concat()).run()
}

fn of_lines(input: impl Into<Vec<u8>>) -> Output {
    runner(["gcd"]).stdin(input).run()
}

fn expect(output: &Output, stdout: &str, stderr: &str, code: i32) {
    assert_eq!(output.text(), stdout);
    assert_eq!(output.stderr.as_str(), stderr);
    assert_eq!(output.code(), code);
}

#[test]
fn operands_have_one_result() {
    expect(&of_operands(&["12", "18", "30"]), "6\n", "", 0);
    expect(&of_operands(&["-12", "+18", "--", "-30"]), "6\n", "", 0);
    expect(&of_operands(&["0"]), "0\n", "", 0);
    expect(&of_operands(&["0", "-7"]), "7\n", "", 0);
    let (big, other) = (format!("6{}", "0".repeat(300)), format!("-9{}", "0".repeat(200)));
    expect(&of_operands(&[&big, &other]), &format!("3{}\n", "0".repeat(200)), "", 0);
}

#[test]
fn lines_have_one_result_each_except_blank_ones() {
    expect(&of_lines("12 18\n\n  -4\t6 8 \r\n 0\n7"), "6\n2\n0\n7\n", "", 0);
    expect(&of_lines(""), "", "", 0);
    let many: String = (0..50_000u64).map(|n| format!("{} {}\n", 6 * n, 6 * n + 6)).collect();
    expect(&of_lines(many), &"6\n".repeat(50_000), "", 0);
    let long = (1..=100_000).map(|n| format!("{} ", n * 14)).collect::<String>() + "7\n5 10\n";
    expect(&of_lines(long), "7\n5\n", "", 0);
}

#[test]
fn non_integers_are_named_and_their_line_has_no_result() {
    let errors = "gcd: 'x' is not a valid integer\ngcd: '\\303\\251\\0003' is not a valid integer\n";
    expect(&of_lines("4 6\n3 x\n\u{e9}\u{0}3\n9 6\n"), "2\n3\n", errors, 1);
    expect(
        &of_operands(&["4", "1 2", "", "6"]),
        "",
        "gcd: '1 2' is not a valid integer\ngcd: '' is not a valid integer\n",
        1,
    );
}

#[test]
fn options_are_parsed_like_those_of_factor() {
    let hint = "Try 'gcd --help' for more information.\n";
    expect(&of_operands(&["12", "-h"]), "", &format!("gcd: invalid option -- 'h'\n{hint}"), 1);
    expect(&of_operands(&["--exponents"]), "", &format!("gcd: unrecognized option '--exponents'\n{hint}"), 1);
    let help = of_operands(&["12", "--he"]);
    assert!(help.text().contains("Usage: runner gcd") && help.text().contains("blank line"));
    assert_eq!((help.code(), of_operands(&["--version"]).code()), (0, 0));
}

#[test]
fn failing_streams_are_errors() {
    let runner = program("runner");
    let in_shell =
        |script: &str| Call::new(Path::new("/bin/sh"), ["-c", script]).with(|c| c.env("R", &runner)).run();
    expect(&in_shell("$R gcd 12 >/dev/full"), "", "gcd: write error: No space left on device\n", 1);
    expect(&in_shell("$R gcd 12 >&-"), "", "gcd: write error: Bad file descriptor\n", 1);
    expect(&in_shell("$R gcd </"), "", "gcd: error reading input: Is a directory\n", 1);
    expect(&in_shell("$R gcd <&-"), "", "gcd: error reading input: Bad file descriptor\n", 1);
    expect(&in_shell("{ yes 12 18 | $R gcd; echo $? >&2; } | head -1"), "6\n", "141\n", 0);
}

#[test]
fn each_line_is_answered_before_the_next_is_written() {
    let mut running = runner(["gcd"]).stdin("").start_raw();
    let mut stdin = running.child.stdin.take().unwrap();
    let stdout = BufReader::new(running.child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    for (input, expected) in [("12 18\n", "6"), ("5 ", ""), ("10\n1", "5"), ("\n\n4 6\n", "1"), ("", "2")] {
        stdin.write_all(input.as_bytes()).unwrap();
        if !expected.is_empty() {
            assert_eq!(lines.recv_timeout(Duration::from_secs(60)).unwrap(), expected);
        }
    }
    drop(stdin);
    assert_eq!(running.wait().code(), 0);
}
