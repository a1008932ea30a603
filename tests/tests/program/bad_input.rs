//! Invalid input of every kind never causes a panic, a hang or a missing record.

use std::{fs, os::unix::ffi::OsStrExt};

use end_to_end::{Output, runner};

fn lines(input: impl Into<Vec<u8>>) -> Output {
    runner(["-w", "2"]).stdin(input).run()
}

fn good(n: u32) -> String {
    format!("{{\"op\":\"sum\",\"n\":{n}}}")
}

/// Checks that the only record is that of an invalid job, with this position and this text in its message.
fn expect_invalid(input: impl Into<Vec<u8>>, line: u64, column: u64, words: &str) {
    let output = lines(input);
    assert_eq!(output.code(), 1);
    let records = output.records();
    assert_eq!(records.len(), 1, "{}", output.text());
    let error = &records[0]["error"];
    assert_eq!(error["kind"], "invalid");
    assert_eq!((error["line"].as_u64(), error["column"].as_u64()), (Some(line), Some(column)), "{error}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    assert!(output.stderr.contains(words), "{}", output.stderr);
    let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 5);
}

#[test]
fn empty_input_has_no_jobs() {
    for input in ["", " \n\t\r\n ", "[]", " [ ]\n", "\u{feff}", "\u{feff}[]"] {
        let output = lines(input);
        assert_eq!(output.text(), "", "{input:?}");
        assert_eq!(output.code(), 0, "{input:?}");
    }
}

#[test]
fn invalid_array_ends_the_input_after_its_complete_elements() {
    let (one, two) = (good(1), good(2));
    for broken in [
        format!("[{one},{two}"),
        format!("[{one},{two},{{\"op\":"),
        format!("[{one},{two},"),
        format!("[{one},{two}]x"),
        format!("[{one},{two}] {one}"),
        format!("[{one},{two},]"),
        format!("[{one},{two} {one}]"),
        format!("[{one},{two},nonsense,{one}]"),
        format!("[{one},{two},{{\"op\":\"sum\",\"n\":01}},{one}]"),
    ] {
        let output = lines(broken.clone());
        assert_eq!(output.code(), 3, "{broken}");
        assert_eq!(output.kinds(), ["ok", "ok"], "{broken}");
        assert!(output.stderr.contains("line 1, column"), "{}", output.stderr);
    }
}

#[test]
fn invalid_element_is_one_record_and_the_array_continues() {
    let output = lines(format!("[{},5,{{\"op\":\"sum\",\"n\":\"x\"}},\n null, {}]", good(1), good(2)));
    assert_eq!(output.kinds(), ["ok", "invalid", "invalid", "invalid", "ok"]);
    assert_eq!(output.code(), 1);
    assert_eq!(
        (output.records()[3]["error"]["line"].as_u64(), output.records()[3]["error"]["column"].as_u64()),
        (Some(2), Some(2))
    );
}

#[test]
fn input_other_than_an_array_is_rejected_with_format_array() {
    let output = runner(["--format", "array"]).stdin(good(1)).run();
    assert_eq!(output.text(), "");
    assert_eq!(output.code(), 3);
    assert!(output.stderr.contains("not a JSON array"));
}

#[test]
fn nul_byte_is_invalid() {
    expect_invalid("{\"op\":\"sum\",\"n\":1\0}", 1, 18, "invalid JSON");
}

#[test]
fn invalid_utf_8_is_invalid() {
    expect_invalid(b"{\"op\":\"\xff\"}".to_vec(), 1, 8, "not UTF-8");
}

#[test]
fn line_of_100_mb_is_one_invalid_job() {
    let mut input = good(1).into_bytes();
    input.push(b'\n');
    input.resize(100_000_000, b'x');
    input.extend(format!("\n{}\n", good(3)).bytes());
    let output = lines(input);
    assert_eq!(output.kinds(), ["ok", "invalid", "ok"]);
    assert_eq!(output.code(), 1);
    assert!(output.records()[1]["error"]["message"].as_str().unwrap().contains("longer than 16777216 bytes"));
    assert_eq!(output.records()[1]["error"]["line"], 2);
}

#[test]
fn whitespace_does_not_count_towards_the_job_size() {
    let job = good(1);
    let size = job.len().to_string();
    let input = format!("{job}\r\n  {job}  \r\n{}\n{job} x\n", " ".repeat(500));
    let output = runner(["--max-job-size", &size]).stdin(input).run();
    assert_eq!(output.kinds(), ["ok", "ok", "invalid"]);
}

#[test]
fn element_of_20_mb_is_one_invalid_job() {
    let input = format!("[{},\"{}\",{}]", good(1), "x".repeat(20_000_000), good(3));
    let output = lines(input);
    assert_eq!(output.kinds(), ["ok", "invalid", "ok"]);
    assert_eq!(output.code(), 1);
}

#[test]
fn nesting_of_a_hundred_thousand_levels_is_invalid() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    expect_invalid(
        format!("{{\"op\":\"sum\",\"n\":{deep}}}"),
        1,
        17,
        "`n` must be an integer, found an array",
    );
    let output = lines(deep);
    assert_eq!(output.kinds(), ["invalid"], "an array of one element");
    assert_eq!(output.code(), 1, "an array of one element");
    assert_eq!(lines("[".repeat(100_000)).code(), 3);
}

#[test]
fn non_integers_are_invalid() {
    for number in ["1.0", "1e3", "1e400", "-0.0", "1E-2"] {
        let job = format!("{{\"op\":\"gcd\",\"a\":{number},\"b\":2}}");
        expect_invalid(job, 1, 17, "`a` must be an integer, found a number with a fraction or an exponent");
    }
    for number in ["NaN", "+1", "01", ".5", "1.", "0x10", "Infinity", "--1"] {
        let output = lines(format!("{{\"op\":\"gcd\",\"a\":{number},\"b\":2}}"));
        assert_eq!(output.kinds(), ["invalid"], "{number}");
        assert_eq!(output.code(), 1, "{number}");
        assert!(output.stderr.contains("invalid JSON"), "{}", output.stderr);
    }
}

#[test]
fn minus_zero_is_an_integer() {
    let output = lines("{\"op\":\"gcd\",\"a\":-0,\"b\":-6}\n{\"op\":\"sum\",\"n\":-0}\n");
    assert_eq!(output.text(), "{\"id\":0,\"ok\":true,\"result\":6}\n{\"id\":1,\"ok\":true,\"result\":0}\n");
}

#[test]
fn numbers_are_limited_to_a_million_digits() {
    let job = |digits: usize| format!("{{\"op\":\"gcd\",\"a\":{},\"b\":1}}\n", "1".repeat(digits));
    let output = lines(job(1_000_000) + &job(1_000_001));
    assert_eq!(output.kinds(), ["ok", "invalid"]);
    assert!(output.stderr.contains("1000001 digits"));
}

#[test]
fn byte_order_marks_and_carriage_returns_are_accepted() {
    let expected = "{\"id\":0,\"ok\":true,\"result\":1}\n{\"id\":1,\"ok\":true,\"result\":3}\n";
    assert_eq!(lines(format!("\u{feff}{}\r\n\r\n{}\r\n", good(1), good(2))).text(), expected);
    assert_eq!(lines(format!("\u{feff}[\r\n{},\r\n{}\r\n]\r\n", good(1), good(2))).text(), expected);
}

#[test]
fn errors_are_reported_with_their_position() {
    expect_invalid("{\"op\":\"sum\",\"n\":1,\"n\":2}", 1, 19, "duplicate field `n`");
    expect_invalid("\n\n  {\"op\":\"summ\",\"n\":1}", 3, 9, "unknown op `summ`; did you mean `sum`?");
    expect_invalid("{\"op\":\"sum\",\"n\":1,\"m\":2}", 1, 19, "`sum` has no field `m`");
    expect_invalid("{\"op\":\"gcd\",\"a\":\"1\",\"b\":2}", 1, 17, "`a` must be an integer, found a string");
    expect_invalid("{\"op\":\"factorize\",\"n\":0}", 1, 23, "`n` must be at least 1, found 0");
    expect_invalid("{\"op\":\"sum\"}", 1, 1, "`sum` requires the field `n`");
    expect_invalid("[[1]]", 1, 2, "a job must be an object, found an array");
}

#[test]
fn only_ten_errors_are_printed_without_verbose() {
    let jobs = "5\n".repeat(12);
    assert_eq!(runner(["-"]).stdin(jobs.clone()).run().stderr.matches("must be an object").count(), 10);
    assert_eq!(runner(["-v"]).stdin(jobs.clone()).run().stderr.matches("must be an object").count(), 12);
    assert_eq!(runner(["-q"]).stdin(jobs).run().stderr, "");
}

#[test]
fn inputs_that_cannot_be_opened_stop_the_run_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    fs::write(&jobs, good(1)).unwrap();
    for (bad, words) in
        [(folder.path().as_os_str(), "is a directory"), ("/nonexistent".as_ref(), "cannot open")]
    {
        let output = runner([jobs.as_os_str(), bad]).run();
        assert_eq!(output.text(), "");
        assert_eq!(output.code(), 3);
        assert!(
            output.stderr.contains(words) && output.stderr.as_bytes().ends_with(b"\n"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains(&String::from_utf8_lossy(bad.as_bytes()).into_owned()));
    }
}

#[test]
fn read_error_ends_the_run_after_the_jobs_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs");
    fs::write(&jobs, good(1)).unwrap();
    let output = runner([jobs.as_os_str(), "/proc/self/mem".as_ref(), jobs.as_os_str()]).run();
    assert_eq!(output.kinds(), ["ok"]);
    assert_eq!(output.code(), 3);
    assert!(output.stderr.contains("cannot read /proc/self/mem"), "{}", output.stderr);
}

#[test]
fn directory_as_standard_input_is_an_error() {
    let folder = fs::File::open("/").unwrap();
    let output = runner(["-"]).with(|c| c.stdin(folder)).run();
    assert_eq!(output.text(), "");
    assert_eq!(output.code(), 3);
}

#[test]
fn whitespace_other_than_jsons_is_invalid() {
    let (one, two) = (good(1), good(2));
    for blank in ["\x0c", "\x0b", "\u{85}", "\u{a0}", "\u{2028}"] {
        let output = lines(format!("{blank}\n{one}\n{blank}\n{two}{blank}\n{one}\n"));
        assert_eq!(output.kinds(), ["invalid", "ok", "invalid", "invalid", "ok"], "{blank:?}");
        for array in [format!("[{one},{blank}{two}]"), format!("[{one},{{\"op\":{blank}\"sum\",\"n\":2}}]")] {
            let output = lines(array);
            assert_eq!(output.kinds(), ["ok"], "{blank:?}");
            assert_eq!(output.code(), 3, "{blank:?}");
        }
        let output = lines(format!("[{one}]{blank}"));
        assert_eq!(output.kinds(), ["ok"], "{blank:?}");
        assert_eq!(output.code(), 3, "{blank:?}");
    }
    let blanks = " \t\r\n";
    let output = lines(format!("{blanks}[{blanks}{one}{blanks},{blanks}{two}{blanks}]{blanks}"));
    assert_eq!(output.kinds(), ["ok", "ok"]);
    assert_eq!(output.code(), 0);
}

#[test]
fn control_characters_are_reported_with_their_position() {
    expect_invalid("{\"op\":\"su\tm\",\"n\":1}", 1, 10, "control character");
    expect_invalid("{\"op\":\"sum\",\"n\u{1}\":1}", 1, 15, "control character");
    expect_invalid("{\"op\":\"sum\",\"n\":1,\"id\":\"\u{1f}\"}", 1, 25, "control character");
    expect_invalid("\"a\u{8}\"", 1, 3, "control character");
    // In an array, a string may contain the end of a line.
    let output = lines("[{\"op\":\n\"su\nm\",\"n\":1}]");
    assert_eq!(output.code(), 3);
    assert!(output.stderr.contains("line 2, column 4: invalid JSON: control character"), "{}", output.stderr);
}

#[test]
fn concatenated_inputs_with_byte_order_marks_are_recognized() {
    let mark = "a byte order mark";
    let part = format!("\u{feff}{}\n", good(1));
    let output = lines(format!("{part}{part}"));
    assert_eq!(output.kinds(), ["ok", "invalid"]);
    let error = &output.records()[1]["error"];
    assert_eq!((error["line"].as_u64(), error["column"].as_u64()), (Some(2), Some(1)));
    assert!(error["message"].as_str().unwrap().contains(mark), "{error}");
    let array = format!("\u{feff}[{}]\n", good(1));
    let output = lines(format!("{array}{array}"));
    assert_eq!(output.kinds(), ["ok"]);
    assert_eq!(output.code(), 3);
    assert!(output.stderr.contains("line 2, column 1: a byte order mark after the end"), "{}", output.stderr);
    expect_invalid("{\"op\":\u{feff}\"sum\",\"n\":1}", 1, 7, mark);
    // Separate files may each have one.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs");
    fs::write(&file, &part).unwrap();
    assert_eq!(runner([&file, &file]).run().kinds(), ["ok", "ok"]);
}

#[test]
fn utf_16_is_recognized() {
    let jobs = format!("{}\n{}\n", good(1), good(2));
    let in_utf_16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    };
    for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        for text in [jobs.clone(), format!("\u{feff}{jobs}"), format!("[{}]", good(1))] {
            let output = lines(in_utf_16(&text, to_bytes));
            assert_eq!(output.text(), "", "{}", output.stderr);
            assert_eq!(output.code(), 3, "{}", output.stderr);
            assert!(
                output.stderr.contains("- is UTF-16") && output.stderr.contains("iconv"),
                "{}",
                output.stderr
            );
        }
        // After jobs in UTF-8.
        let output = lines(
            [good(1).into_bytes(), b"\n".to_vec(), in_utf_16(&format!("\u{feff}{jobs}"), to_bytes)].concat(),
        );
        assert_eq!(output.kinds()[0].as_str(), "ok");
        assert_eq!(output.code(), 1);
        assert!(
            output.records()[1]["error"]["message"].as_str().unwrap().contains("UTF-16"),
            "{}",
            output.text()
        );
    }
}

#[test]
fn jobs_on_several_lines_get_one_hint() {
    const HINT: &str = "one job a line";
    let pretty = "{\n  \"op\": \"sum\",\n  \"n\": 1\n}\n";
    let hints =
        |arguments: &[&str], input: &str| runner(arguments).stdin(input).run().stderr.matches(HINT).count();
    for (input, count) in [
        (pretty.to_owned(), 1),
        (pretty.repeat(5), 1),
        (format!("{}\n{pretty}", good(1)), 1),
        ("{\"op\":\"sum\",\n\"n\":1}\n".to_owned(), 1),
        // A truncated line, invalid lines, and an array.
        (format!("{}\n{{\"op\":\"sum\",", good(1)), 0),
        (format!("{{\"op\":\"sum\",\n{}\n", good(1)), 0),
        ("}\n}\n5\n".to_owned(), 0),
        (format!("[{pretty},{pretty}]"), 0),
    ] {
        assert_eq!(hints(&["-"], &input), count, "{input}");
    }
    assert_eq!(hints(&["--op", "gcd"], "[\n  4,\n  6\n]\n[\n  4,\n  6\n]\n"), 1);
    assert_eq!(hints(&["--dry-run"], pretty), 1);
    assert_eq!(hints(&["-q"], pretty), 0);
}

#[test]
fn environment_of_a_program_has_unique_valid_names() {
    let job = |env: &str| format!("{{\"op\":\"command\",\"argv\":[\"true\"],\"env\":{env}}}");
    for (env, column, words) in [
        (r#"{"A":"1","A":"2"}"#, 10, "`env` sets `A` twice"),
        (r#"{"A":"1","\u0041":"2"}"#, 10, "`env` sets `A` twice"),
        (r#"{"":"1"}"#, 2, "valid variable names"),
        (r#"{"A":"1","B=C":"2"}"#, 10, "valid variable names"),
    ] {
        let output = runner(["-w", "1", "--allow-command"]).stdin(job(env)).run();
        let error = &output.records()[0]["error"];
        assert_eq!(output.code(), 1, "{}", output.text());
        assert_eq!(error["kind"].as_str(), Some("invalid"), "{}", output.text());
        assert_eq!(error["column"].as_u64(), Some(38 + column), "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
}
