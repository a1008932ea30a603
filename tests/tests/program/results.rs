//! Exact results in input order with every executor.

use end_to_end::{data, data_bytes, gcd_jobs, runner, shell_jobs};

const EXECUTORS: [&str; 3] = ["processes", "threads", "serial"];

fn expect(jobs: &str, expected: &str) {
    for executor in EXECUTORS {
        let common = ["--workers", "2", "--executor", executor];
        let output = runner(common).with(|c| c.arg(data(jobs))).run();
        assert_eq!(output.code(), 0, "{}", output.stderr);
        assert!(output.stdout == data_bytes(expected), "{jobs} on {executor} differs from {expected}");

        let output = runner(common).with(|c| c.arg("--unordered").arg(data(jobs))).run();
        let wanted = data_bytes(expected);
        let wanted = String::from_utf8(wanted).unwrap();
        let mut wanted: Vec<&str> = wanted.lines().collect();
        wanted.sort_unstable();
        assert!(output.sorted() == wanted, "{jobs} on {executor}, unordered, differs from {expected}");
    }
}

#[test]
fn textbook_jobs_have_the_expected_output() {
    expect("seed_jobs.json", "seed_jobs.expected.jsonl");
}

#[test]
fn mixed_jobs_have_the_expected_output() {
    expect("mixed_2k.jsonl", "mixed_2k.expected.jsonl");
}

#[test]
fn output_does_not_depend_on_workers_and_batch_size() {
    let expected = data_bytes("mixed_2k.expected.jsonl");
    for arguments in
        [["-w", "1", "--batch", "1"], ["-w", "7", "--batch", "3"], ["-w", "2", "--batch", "5000"]]
    {
        let output = runner(arguments).with(|c| c.arg(data("mixed_2k.jsonl"))).run();
        assert!(output.stdout == expected, "{arguments:?}");
    }
}

#[test]
fn output_does_not_depend_on_the_codec() {
    let expected = data_bytes("mixed_2k.expected.jsonl");
    for codec in ["bincode", "postcard", "msgpack", "cbor", "json", "pickle"] {
        let output = runner(["-w", "2", "--codec", codec]).with(|c| c.arg(data("mixed_2k.jsonl"))).run();
        assert!(output.stdout == expected, "{codec}: {}", output.stderr);
    }
}

#[test]
fn every_codec_encodes_all_kinds_of_jobs_and_outcomes() {
    let digits = "7".repeat(100_000);
    let jobs = shell_jobs(&["echo ä; echo err >&2; exit 3", "kill -9 $$"])
        + &format!(
            "{{\"op\":\"gcd\",\"a\":{digits},\"b\":0}}\n\
             {{\"op\":\"gcd\",\"a\":18446744073709551615,\"b\":0}}\n"
        )
        + "{\"op\":\"sleep\",\"seconds\":1e-3}\n"
        + "{\"op\":\"factorize\",\"n\":0}\n{\"op\":\"prime_factors\",\"n\":0}\n"
        + "{\"op\":\"command\",\"argv\":[\"sh\",\"-c\",\"cat; echo $A\"],\"stdin\":\"in\",\
           \"env\":{\"A\":\"b\"},\
           \"cwd\":\"/\"}\n";
    let run = |codec| runner(["--allow-command", "--codec", codec]).stdin(jobs.clone()).run();
    let expected = run("bincode");
    assert!(expected.text().lines().count() == 8 && expected.text().contains("18446744073709551615"));
    for codec in ["postcard", "msgpack", "cbor", "json", "pickle"] {
        assert!(run(codec).stdout == expected.stdout, "{codec}");
    }
}

#[test]
fn codec_option_needs_processes_and_a_known_name() {
    for executor in ["threads", "serial"] {
        let output = runner(["--executor", executor, "--codec", "bincode"]).stdin("[]").run();
        assert_eq!(output.code(), 2);
        assert!(output.stderr.contains("--codec"), "{}", output.stderr);
    }
    let output = runner(["--codec", "xml"]).stdin("[]").run();
    assert_eq!(output.code(), 2);
    assert!(output.stderr.contains("bincode, postcard, msgpack, cbor, json, pickle"), "{}", output.stderr);
}

#[test]
fn several_inputs_are_one_sequence() {
    let (jobs, expected) = gcd_jobs(3);
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let lines: Vec<&str> = jobs.lines().collect();
    std::fs::write(&one, format!("[{}]", lines[0])).unwrap();
    std::fs::write(&two, lines[2]).unwrap();
    let output = runner([one.as_os_str(), "-".as_ref(), two.as_os_str()]).stdin(lines[1]).run();
    assert_eq!(output.text(), expected);
}

#[test]
fn id_of_a_job_is_printed_as_written() {
    let jobs = "[{\"id\":\"a\\u0062\",\"op\":\"sum\",\"n\":1},\
                {\"id\":-12345678901234567890,\"op\":\"sum\",\"n\":2},{\"op\":\"sum\",\"n\":3}]";
    let output = runner(["-"]).stdin(jobs).run();
    let expected = "{\"id\":\"a\\u0062\",\"ok\":true,\"result\":1}\n\
                    {\"id\":-12345678901234567890,\"ok\":true,\"result\":3}\n\
                    {\"id\":2,\"ok\":true,\"result\":6}\n";
    assert_eq!(output.text(), expected);
}

#[test]
fn trial_and_fast_agree() {
    let job = |op: &str, fields: &str, method: &str| {
        format!("{{\"op\":\"{op}\",{fields},\"method\":\"{method}\"}}\n")
    };
    let all = |method: &str| {
        job("gcd", "\"a\":12,\"b\":-18", method)
            + &job("gcd", "\"a\":0,\"b\":0", method)
            + &job("factorize", "\"n\":360", method)
            + &job("sum", "\"n\":1000", method)
    };
    let (fast, trial) = (runner(["-"]).stdin(all("fast")).run(), runner(["-"]).stdin(all("trial")).run());
    assert_eq!(fast.text(), trial.text());
    assert!(
        fast.text().starts_with("{\"id\":0,\"ok\":true,\"result\":6}\n{\"id\":1,\"ok\":true,\"result\":0}\n")
    );
}

#[test]
fn numbers_of_a_hundred_thousand_digits_are_exact() {
    let digits = "7".repeat(100_000);
    let jobs = format!(
        "{{\"op\":\"gcd\",\"a\":{digits},\"b\":0}}\n{{\"op\":\"gcd\",\"a\":-{digits},\"b\":{digits}}}\n"
    );
    let expected: String =
        (0..2).map(|id| format!("{{\"id\":{id},\"ok\":true,\"result\":{digits}}}\n")).collect();
    for executor in EXECUTORS {
        assert!(runner(["--executor", executor]).stdin(jobs.clone()).run().text() == expected, "{executor}");
    }
    let output = runner(["--max-digits", "99999"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["invalid", "invalid"]);
    assert_eq!(output.code(), 1);
}

#[test]
fn programs_need_allow_command() {
    let jobs = shell_jobs(&["echo out; echo err >&2; exit 3", "cat"]);
    for executor in EXECUTORS {
        let refused = runner(["--executor", executor]).stdin(jobs.clone()).run();
        assert_eq!(refused.kinds(), ["failed", "failed"]);
        assert_eq!(refused.code(), 1);

        let output = runner(["--executor", executor, "--allow-command"]).stdin(jobs.clone()).run();
        let expected = "{\"id\":0,\"ok\":true,\"result\":{\"exit_code\":3,\"signal\":null,\
                        \"stdout\":\"out\\n\",\"stderr\":\"err\\n\"}}\n\
                        {\"id\":1,\"ok\":true,\"result\":{\"exit_code\":0,\"signal\":null,\
                        \"stdout\":\"\",\"stderr\":\"\"}}\n";
        assert_eq!(output.text(), expected);
        assert_eq!(output.code(), 0);
    }
}

#[test]
fn output_of_a_program_is_truncated_at_the_limit() {
    let jobs = shell_jobs(&["yes | head -c 100", "printf 1234"]);
    let output = runner(["--allow-command", "--max-output", "4"]).stdin(jobs).run();
    let records = output.records();
    assert_eq!(records[0]["result"]["stdout"], "y\ny\n");
    assert_eq!(records[0]["result"]["truncated"], true);
    assert!(output.text().lines().nth(1).unwrap().ends_with("\"stdout\":\"1234\",\"stderr\":\"\"}}"));
}

#[test]
fn truncation_does_not_split_characters() {
    // Characters of two, three and four bytes, and invalid bytes, at the limit.
    let scripts = [
        "printf 'abc\\303\\251e'",
        "printf 'ab€d' >&2",
        "printf 'a𝄞b'",
        "printf 'abc\\377e'",
        "printf 'abc\\303'",
    ];
    let output = runner(["--allow-command", "--max-output", "4"]).stdin(shell_jobs(&scripts)).run();
    let records = output.records();
    let kept = |index: usize, stream: &str| {
        let result = &records[index]["result"];
        (result[stream].as_str().unwrap().to_owned(), result["truncated"] == true)
    };
    assert_eq!(kept(0, "stdout"), ("abc".to_owned(), true));
    assert_eq!(kept(1, "stderr"), ("ab".to_owned(), true));
    assert_eq!(kept(2, "stdout"), ("a".to_owned(), true));
    assert_eq!(kept(3, "stdout"), ("abc\u{fffd}".to_owned(), true));
    assert_eq!(
        kept(4, "stdout"),
        ("abc\u{fffd}".to_owned(), false),
        "the program itself printed an incomplete character"
    );
}

#[test]
fn very_large_result_is_complete() {
    let jobs = shell_jobs(&["head -c 3000000 /dev/zero | tr '\\0' x", "echo small"]);
    let output = runner(["--allow-command", "--max-output", "4M"]).stdin(jobs).run();
    assert_eq!(output.records()[0]["result"]["stdout"].as_str().unwrap().len(), 3_000_000);
    assert_eq!(output.records()[1]["result"]["stdout"], "small\n");
}

#[test]
fn bare_values_are_jobs_of_the_default_op() {
    assert!(
        runner(["--op", "gcd"])
            .stdin("[4, 6]\n[9,-6]\n")
            .run()
            .text()
            .ends_with("\"result\":2}\n{\"id\":1,\"ok\":true,\"result\":3}\n")
    );
    assert_eq!(
        runner(["--op", "prime_factors"]).stdin("12 \n").run().text(),
        "{\"id\":0,\"ok\":true,\"result\":[2,2,3]}\n"
    );
    let array = runner(["--op", "sum", "--format", "array"]).stdin("[1,2]").run();
    assert_eq!(array.text(), "{\"id\":0,\"ok\":true,\"result\":1}\n{\"id\":1,\"ok\":true,\"result\":3}\n");
}
