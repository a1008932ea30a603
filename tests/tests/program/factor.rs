//! `runner factor` behaves as GNU `factor` of coreutils 9.1 in the C locale, byte for byte on both streams.
//! Compared with the original where it is installed, and with stored expectations everywhere.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
    sync::LazyLock,
};

use end_to_end::{Call, Output, program, runner};

/// Version whose behavior is reproduced.
const GNU: &str = "factor (GNU coreutils) 9.1";

/// Whether this version is installed. If not, a message is written directly to standard error, since the test
/// harness captures what tests print.
static GNU_IS_INSTALLED: LazyLock<bool> = LazyLock::new(|| {
    let version = Command::new("factor").arg("--version").env("LC_ALL", "C").output();
    let text = version.map(|output| output.stdout).unwrap_or_default();
    let is_installed = text.split(|&byte| byte == b'\n').next() == Some(GNU.as_bytes());
    if !is_installed {
        let _ = writeln!(std::io::stderr(), "NOT RUN: comparisons with {GNU}, which is not installed");
    }
    is_installed
});

/// Standard output, standard error, exit code and signal.
type RunResult = (Vec<u8>, String, i32, i32);

fn result(output: Output) -> RunResult {
    let (code, signal) = (output.code(), output.signal());
    (output.stdout, output.stderr, code, signal)
}

fn ours(arguments: &[OsString], input: &[u8]) -> RunResult {
    let all = [OsString::from("factor")].into_iter().chain(arguments.iter().cloned());
    result(runner(all).stdin(input).run())
}

/// Returns our result after comparing it with GNU's.
fn same(arguments: &[OsString], input: &[u8]) -> RunResult {
    let ours = ours(arguments, input);
    if *GNU_IS_INSTALLED {
        let call = Call::new(
            Path::new("/usr/bin/env"),
            [OsStr::new("factor")].into_iter().chain(arguments.iter().map(OsString::as_os_str)),
        );
        let theirs = result(call.with(|c| c.env("LC_ALL", "C")).stdin(input).run());
        let shown = String::from_utf8_lossy(input).chars().take(200).collect::<String>();
        assert_eq!(texts(&ours), texts(&theirs), "{arguments:?} < {shown:?}");
    }
    ours
}

fn texts((stdout, stderr, code, signal): &RunResult) -> (String, &str, i32, i32) {
    (String::from_utf8_lossy(stdout).into_owned(), stderr, *code, *signal)
}

/// Returns the result of a shell script in which `$F` is our program, after comparing it with GNU's. Standard
/// input is empty.
fn same_in_shell(script: &str) -> RunResult {
    let run = |program: &OsStr| {
        let call = Call::new(Path::new("/bin/sh"), ["-c", script]);
        result(call.with(|c| c.env("LC_ALL", "C").env("F", program)).run())
    };
    let mut name = program("runner").into_os_string();
    name.push(" factor");
    let ours = run(&name);
    if *GNU_IS_INSTALLED {
        assert_eq!(texts(&ours), texts(&run(OsStr::new("factor"))), "{script}");
    }
    ours
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn expect(result: &RunResult, stdout: &str, stderr: &str, code: i32) {
    assert_eq!(texts(result), (stdout.to_owned(), stderr, code, 0));
}

#[test]
fn operands_are_factored_in_order() {
    let result = same(&words(&["12", "0", "1", "007", "+7", "  +15", "97", "18446744073709551615"]), b"");
    let lines = "12: 2 2 3\n0:\n1:\n7: 7\n7: 7\n15: 3 5\n97: 97\n\
                 18446744073709551615: 3 5 17 257 641 65537 6700417\n";
    expect(&result, lines, "", 0);
    same(
        &words(&["680564733851161477221389565825768226801", "00000000000000000000000000000000000000000000"]),
        b"",
    );
    same(&words(&["--", "12"]), b"15\n");
}

#[test]
fn invalid_numbers_are_reported_and_the_others_printed() {
    let result = same(&words(&["12", "x", "", "15"]), b"");
    let errors = "factor: 'x' is not a valid positive integer\nfactor: '' is not a valid positive integer\n";
    expect(&result, "12: 2 2 3\n15: 3 5\n", errors, 1);
    for word in [
        " ",
        "12 ",
        "1 2",
        "1\t2",
        "\t12",
        "\n12",
        "+",
        "++5",
        "+ 5",
        " -5",
        "-",
        "12a",
        "0x10",
        "1.5",
        "1e3",
        "a'b",
        "a\nb",
        "a\"b",
        "a\\b",
        "?",
        "??=",
        "\x1b\x07\x08\x0b\x0c\r",
        "\x0112",
        "\x7f9",
        "\u{e9}",
        "5,6",
        "12+",
        "00x",
        "000000000000000000000000000000x",
    ] {
        let result = same(&words(&["7", word, "9"]), b"");
        assert_eq!((result.0.as_slice(), result.2), (b"7: 7\n9: 3 3\n".as_slice(), 1), "{word:?}");
    }
    for bytes in [b"\xff1".as_slice(), b"\x80a", b"1\xc3"] {
        same(&[OsStr::from_bytes(bytes).to_owned()], b"");
    }
}

#[test]
fn options_are_parsed_as_by_getopt() {
    let hint = "Try 'factor --help' for more information.\n";
    expect(&same(&words(&["-7"]), b""), "", &format!("factor: invalid option -- '7'\n{hint}"), 1);
    expect(
        &same(&words(&["12", "--foo"]), b""),
        "",
        &format!("factor: unrecognized option '--foo'\n{hint}"),
        1,
    );
    let needs_none = format!("factor: option '--version' doesn't allow an argument\n{hint}");
    expect(&same(&words(&["--ver=3"]), b""), "", &needs_none, 1);
    let no_option = "factor: '-7' is not a valid positive integer\n";
    expect(&same(&words(&["12", "--", "-7"]), b""), "12: 2 2 3\n", no_option, 1);
    for arguments in [
        ["12", "-x", "15"],
        ["12", "-zq", "--help"],
        ["12", "--versionx", ""],
        ["--hel=3", "1", "2"],
        ["--", "--", "12"],
        ["12", "--", "--help"],
        ["-", "12", "--"],
        ["12", "--\n", "3"],
    ] {
        same(&words(&arguments), b"12 15\n");
    }
    for bytes in [b"-\xff".as_slice(), b"--a\xff\nb"] {
        same(&[OsStr::from_bytes(bytes).to_owned()], b"");
    }
    same_in_shell("POSIXLY_CORRECT=1 $F 12 -x");
}

#[test]
fn help_and_version_print_our_own_text() {
    for (option, inside) in
        [("--help", "Usage: runner factor"), ("--he", "--exponents"), ("--version", "(runner)")]
    {
        let (stdout, stderr, code, _) = ours(&words(&["12", option, "-z"]), b"");
        assert!(String::from_utf8(stdout).unwrap().contains(inside));
        assert_eq!((stderr.as_str(), code), ("", 0));
    }
}

#[test]
fn exponents_are_printed_on_request() {
    for option in ["-h", "--exponents", "--e", "-hh"] {
        let result = ours(&words(&["12", option, "7", "1", "0", "18446744073709551616"]), b"");
        expect(&result, "12: 2^2 3\n7: 7\n1:\n0:\n18446744073709551616: 2^64\n", "", 0);
    }
    expect(&ours(&words(&["-h"]), b"8 36\n"), "8: 2^3\n36: 2^2 3^2\n", "", 0);
}

#[test]
fn standard_input_is_split_at_blanks_tabs_and_newlines() {
    expect(&same(&[], b" \t12\n\n15 7\t9"), "12: 2 2 3\n15: 3 5\n7: 7\n9: 3 3\n", "", 0);
    let result = same(&[], b"12\r\n-5 +5 1\x002 \0 12\x007\n");
    let errors = "factor: '12\\r' is not a valid positive integer\n\
                  factor: '-5' is not a valid positive integer\n\
                factor: '' is not a valid positive integer\n";
    expect(&result, "5: 5\n1:\n12: 2 2 3\n", errors, 1);
    let inputs: [&[u8]; 14] = [
        b"",
        b"\n\n",
        b" ",
        b"12",
        b"\0",
        b"\x0012",
        b"12\0",
        b"a\0b\n",
        b"\xff 5\n",
        b"12\x0b7 \x0c8\n",
        b"+ + +3\n",
        b"it's \"7\" \\x\n",
        b"000 0001 +000\n",
        b"1 2 x 3\ny\n4",
    ];
    for input in inputs {
        same(&[], input);
    }
}

#[test]
fn all_numbers_up_to_a_hundred_thousand() {
    let input: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let (stdout, ..) = same(&[], input.as_bytes());
    let lines: Vec<&[u8]> = stdout.split(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), 100_001);
    assert_eq!(
        (lines[99_999], lines[99_998]),
        (b"100000: 2 2 2 2 2 5 5 5 5 5".as_slice(), b"99999: 3 3 41 271".as_slice())
    );
}

#[test]
fn numbers_of_all_sizes_in_between() {
    // Knuth's MMIX generator, with the same numbers in each run.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 27
    };
    let mut input = String::new();
    for _ in 0..600 {
        let number = u128::from(next()) << 37 | u128::from(next());
        input += &format!("{}{}", number >> (4 + next() % 66), if next() % 3 == 0 { "\n" } else { " " });
    }
    let (stdout, stderr, code, _) = same(&[], input.as_bytes());
    assert_eq!((stderr.as_str(), code), ("", 0));
    let lines = String::from_utf8(stdout).unwrap();
    for (line, number) in lines.lines().zip(input.split_whitespace()) {
        let (name, factors) = line.split_once(':').unwrap();
        let product: u128 =
            factors.split_whitespace().map(|factor| factor.parse::<u128>().unwrap()).product();
        assert_eq!((name, product), (number, number.parse().unwrap()));
    }
}

#[test]
fn invalid_words_among_many_numbers_are_reported_in_order() {
    let word = |n: u32| if n.is_multiple_of(997) { format!("x{n} ") } else { format!("{n} ") };
    let input: String = (1..=60_000).map(word).collect();
    let (_, stderr, code, _) = same(&[], input.as_bytes());
    let errors: String =
        (1..=60).map(|n| format!("factor: 'x{}' is not a valid positive integer\n", n * 997)).collect();
    assert_eq!((stderr, code), (errors, 1));
}

#[test]
fn closed_full_and_unreadable_streams() {
    let closed = same_in_shell("$F 12 x >&-");
    let errors = "factor: 'x' is not a valid positive integer\nfactor: write error: Bad file descriptor\n";
    expect(&closed, "", errors, 1);
    let full = "factor: write error: No space left on device\n";
    expect(&same_in_shell("$F 12 >/dev/full"), "", full, 1);
    expect(&same_in_shell("seq 1 100000 | $F >/dev/full"), "", &full.repeat(2), 1);
    for script in [
        "$F x >&-",
        "$F >&-",
        "$F <&- >&-",
        "$F <&-",
        "$F </",
        "$F 0>/dev/null",
        "$F x 12 >/dev/full",
        "$F 2>&- x 12",
        "(echo 12; echo x; echo 15) | $F >/dev/full",
        "(seq 1 50; echo x; seq 1 50; echo y) | $F >/dev/full",
        "$F <&- 12 15",
    ] {
        same_in_shell(script);
    }
    for script in ["$F --help >&-; echo $? >&2", "$F --version >/dev/full; echo $? >&2"] {
        same_in_shell(script);
    }
}

#[test]
fn errors_of_a_full_device_depend_on_the_amount_of_output() {
    for last in 55..70 {
        same_in_shell(&format!("(seq 1 {last}; echo x) | $F >/dev/full"));
    }
}

#[test]
fn closed_output_ends_it_quietly() {
    let result = same_in_shell("{ seq 1 1000000 | $F; echo $? >&2; } | head -1");
    expect(&result, "1:\n", "141\n", 0);
    let (stdout, stderr, ..) =
        same_in_shell("trap '' PIPE; { seq 1 100000 2>/dev/null | $F; echo $? >&2; } | head -1");
    assert_eq!(stdout, b"1:\n");
    assert!(stderr.ends_with("factor: write error: Broken pipe\n1\n"), "{stderr}");
}
