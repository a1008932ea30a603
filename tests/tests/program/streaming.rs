//! Streaming of input and output of any length in bounded memory.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use end_to_end::{gcd_jobs, runner};

#[test]
fn results_are_written_before_the_input_ends() {
    for executor in ["processes", "threads", "serial"] {
        for (first, second, last) in [
            ("{\"op\":\"sum\",\"n\":1}\n", "{\"op\":\"sum\",\"n\":2}\n", ""),
            ("[{\"op\":\"sum\",\"n\":1}", ",\n{\"op\":\"sum\",\"n\":2}", "]"),
        ] {
            let mut run =
                runner(["-w", "2", "--executor", executor]).with(|c| c.stdin(Stdio::piped())).start_raw();
            let mut input = run.child.stdin.take().unwrap();
            let mut output = BufReader::new(run.child.stdout.take().unwrap());
            for (text, result) in [(first, "1}\n"), (second, "3}\n")] {
                input.write_all(text.as_bytes()).unwrap();
                let mut line = String::new();
                output.read_line(&mut line).unwrap();
                assert!(line.ends_with(result), "{line}");
            }
            input.write_all(last.as_bytes()).unwrap();
            drop(input);
            assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
            assert_eq!(run.wait().code(), 0);
        }
    }
}

#[test]
fn unordered_results_overtake_slow_jobs() {
    let jobs = "{\"op\":\"sleep\",\"seconds\":0.5}\n{\"op\":\"sum\",\"n\":1}\n";
    let ids = |arguments: &[&str]| -> Vec<u64> {
        let output = runner(arguments).stdin(jobs).run();
        output.records().iter().map(|record| record["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&["-w", "2", "--unordered"]), [1, 0]);
    assert_eq!(ids(&["-w", "2"]), [0, 1]);
}

#[test]
fn slow_reader_causes_backpressure_in_bounded_memory() {
    let (jobs, expected) = gcd_jobs(300_000);
    for arguments in [&["-w", "2"][..], &["-w", "2", "--unordered"], &["-w", "2", "--executor", "threads"]] {
        let mut run = runner(arguments).stdin(jobs.clone()).start_with_input();
        // Reading starts when the run is blocked.
        run.wait_until_idle();
        assert!(run.peak_memory() < 64 << 10, "{} KiB", run.peak_memory());
        let mut output = Vec::new();
        run.child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        assert_eq!(output.len(), expected.len(), "{arguments:?}");
        assert_eq!(run.wait().code(), 0);
    }
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let peaks = [50_000, 500_000].map(|count| {
        let (jobs, expected) = gcd_jobs(count);
        let mut run = runner(["-w", "2"]).stdin(jobs).start_with_input();
        let (output, peak) = run.read_watching_memory();
        assert!(output == expected.as_bytes());
        assert_eq!(run.wait().code(), 0);
        peak
    });
    assert!(peaks[1] < 64 << 10 && peaks[1] < peaks[0] * 3 / 2, "{peaks:?} KiB");
}

#[test]
fn large_jobs_and_results_are_buffered_in_bounded_memory() {
    // 60 large jobs after one that keeps their records from being printed.
    let digits = "9".repeat(900_000);
    let mut jobs = String::from("{\"op\":\"sleep\",\"seconds\":2}\n");
    for _ in 0..60 {
        jobs += &format!("{{\"op\":\"gcd\",\"a\":{digits},\"b\":0}}\n");
    }
    let mut run = runner(["-w", "2"]).stdin(jobs).start_with_input();
    let mut stdout = run.child.stdout.take().unwrap();
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let held = run.peak_memory();
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.iter().filter(|&&byte| byte == b'\n').count(), 61);
    assert_eq!(run.wait().code(), 0);
    assert!(held < 128 << 10, "{held} KiB");
}

#[test]
fn results_do_not_wait_for_a_slow_job() {
    let (jobs, _) = gcd_jobs(3000);
    for executor in ["threads", "serial"] {
        let input = format!("{jobs}{{\"op\":\"sleep\",\"seconds\":5}}\n");
        let mut run = runner(["-w", "1", "--executor", executor]).stdin(input).start_with_input();
        let mut output = BufReader::new(run.child.stdout.take().unwrap());
        let start = Instant::now();
        for _ in 0..3000 {
            output.read_line(&mut String::new()).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(4), "{executor}: {:?}", start.elapsed());
        assert_eq!(output.lines().count(), 1);
        assert_eq!(run.wait().code(), 0);
    }
}
