//! Results that exceed `--max-result` or the available memory: their jobs fail, and all other jobs have their
//! records.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use end_to_end::{Call, Output, runner, shell_jobs};

const EXECUTORS: [&str; 3] = ["processes", "threads", "serial"];

const GOOD: &str = "{\"op\":\"sum\",\"n\":4}\n";

/// Returns a job for 10^exponent, which has (exponent + 1)^2 divisors of exponent / 2 digits on average.
fn of_power(op: &str, exponent: usize) -> String {
    format!("{{\"op\":\"{op}\",\"n\":1{}}}\n", "0".repeat(exponent))
}

/// Returns the digits of 2^exponent.
fn power_of_two(exponent: usize) -> String {
    const BASE: u64 = 1_000_000_000_000_000_000;
    let mut groups = vec![1u64];
    for _ in 0..exponent {
        let mut carry = 0;
        for group in &mut groups {
            (*group, carry) = ((2 * *group + carry) % BASE, (2 * *group + carry) / BASE);
        }
        groups.extend((carry > 0).then_some(carry));
    }
    let digits: String = groups.iter().rev().map(|group| format!("{group:018}")).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Returns a job whose result is a text of 240 MB, between two small ones.
fn huge_between_good() -> String {
    format!("{GOOD}{{\"op\":\"factorize\",\"n\":{}}}\n{GOOD}", power_of_two(40_000))
}

/// Limits the address space of a program, as `ulimit -Sv` does, or as `ulimit -v` does if `for_good` is set.
fn with_memory(call: Call, bytes: u64, for_good: bool) -> Call {
    call.address_space(bytes, if for_good { bytes } else { libc::RLIM_INFINITY })
}

fn message(output: &Output, record: usize) -> String {
    output.records()[record]["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn result_above_the_limit_fails_and_names_the_option() {
    let numbers = "7".repeat(1_500);
    let jobs = [
        of_power("factorize", 20),
        of_power("prime_factors", 400),
        format!("{{\"op\":\"gcd\",\"a\":{numbers},\"b\":{numbers}}}\n"),
        GOOD.to_owned(),
    ];
    for executor in EXECUTORS {
        let options = ["--executor", executor, "-w", "2", "--max-result", "1K"];
        let output = runner(options).stdin(jobs.concat()).run();
        assert_eq!(output.code(), 1);
        assert_eq!(output.kinds(), ["failed", "failed", "failed", "ok"].map(String::from).to_vec());
        for record in 0..3 {
            let message = message(&output, record);
            assert!(message.contains("--max-result") && message.contains("1024"), "{executor}: {message}");
        }
    }
}

#[test]
fn limit_applies_to_the_output_of_programs() {
    let jobs = shell_jobs(&["head -c 3000 /dev/zero | tr '\\0' x", "echo 7"]);
    let output = runner(["-w", "1", "--allow-command", "--max-result", "2K"]).stdin(jobs).run();
    assert_eq!(output.kinds(), ["failed", "ok"], "{}", output.stderr);
    assert!(message(&output, 0).contains("--max-result"), "{}", message(&output, 0));
}

#[test]
fn results_up_to_the_limit_are_printed() {
    let jobs = of_power("factorize", 100);
    let length = runner([""; 0]).stdin(jobs.as_str()).run().stdout.len();
    for (limit, kind) in [(length * 11 / 10, "ok"), (length * 9 / 10, "failed")] {
        let output = runner(["--max-result", &limit.to_string()]).stdin(jobs.as_str()).run();
        assert_eq!(output.kinds(), [kind], "{limit} for {length}");
    }
}

#[test]
fn result_above_the_default_limit_does_not_affect_other_jobs() {
    let jobs = huge_between_good();
    for executor in EXECUTORS {
        let call = runner(["--executor", executor, "-w", "2"]).stdin(jobs.as_str());
        let output = with_memory(call, 800_000 << 10, true).run();
        assert_eq!(output.kinds(), ["ok", "failed", "ok"], "{executor}: {}", output.stderr);
    }
}

#[test]
fn allowed_result_that_exceeds_memory_fails() {
    let jobs = huge_between_good();
    for executor in EXECUTORS {
        let call = runner(["--executor", executor, "-w", "2", "--max-result", "4G"]).stdin(jobs.as_str());
        let output = with_memory(call, 800_000 << 10, true).run();
        assert_eq!(output.kinds(), ["ok", "failed", "ok"], "{executor}: {}", output.stderr);
        assert!(
            message(&output, 1).contains("out of memory for a result of")
                || message(&output, 1).contains("not enough memory to decode an outcome of"),
            "{executor}: {}",
            message(&output, 1)
        );
    }
}

/// The parent has less memory than its workers: it can hold the encoded outcome but not decode it, or not
/// even hold it.
#[test]
fn outcome_too_large_for_the_parent_fails_one_job() {
    let jobs = huge_between_good();
    for megabytes in [600, 420, 250] {
        let call = runner(["-w", "1", "--max-memory", "2G", "--max-result", "4G"]).stdin(jobs.as_str());
        let output = with_memory(call, megabytes << 20, false).run();
        let kinds = output.kinds();
        assert!(
            ["failed", "memory"].contains(&kinds[1].as_str()),
            "{megabytes}: {kinds:?} {}",
            output.stderr
        );
        assert_eq!((kinds[0].as_str(), kinds[2].as_str()), ("ok", "ok"), "{megabytes}: {}", output.stderr);
    }
}

/// Each result is allowed and fits into memory, but not all of them together.
#[test]
fn long_results_waiting_for_a_slow_job_do_not_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results");
    let slow = "{\"op\":\"sleep\",\"seconds\":2}\n";
    let jobs = format!("{slow}{0}{GOOD}{0}{0}{GOOD}{0}{0}{GOOD}", of_power("factorize", 450));
    let call = runner(["-w", "3", "--output", path.to_str().unwrap()]).stdin(jobs);
    let output = with_memory(call, 600_000 << 10, true).run();
    assert!(matches!(output.code(), 0 | 1), "{}", output.stderr);
    let mut starts = Vec::new();
    for line in BufReader::new(File::open(&path).unwrap()).split(b'\n') {
        starts.push(String::from_utf8(line.unwrap()[..20].to_vec()).unwrap());
    }
    assert_eq!(starts.len(), 9);
    for (id, start) in starts.iter().enumerate() {
        let good = [0, 2, 5, 8].contains(&id);
        assert!(start.starts_with(&format!("{{\"id\":{id},\"ok\":")), "{start}");
        assert!(!good || start.contains("true"), "{start}");
    }
}

#[test]
fn input_that_exceeds_memory_is_invalid() {
    let long = format!("{{\"op\":\"gcd\",\"a\":7,\"b\":{}}}\n", "9".repeat(60_000_000));
    let jobs = format!("{GOOD}{long}{GOOD}");
    let options = ["--executor", "serial", "--max-job-size", "1G", "--max-digits", "100000000"];
    let output = with_memory(runner(options).stdin(jobs), 300 << 20, true).run();
    assert_eq!(output.kinds(), ["ok", "invalid", "ok"], "{}", output.stderr);
    assert!(message(&output, 1).contains("not enough memory for a job of"), "{}", message(&output, 1));
}
