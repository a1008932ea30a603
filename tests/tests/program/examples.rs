//! Each example of the library runs successfully and prints the expected output.

use std::{collections::BTreeSet, fs, path::Path};

use end_to_end::{Call, example};

/// Turns each function into a test and lists them, so that a missing example is found.
macro_rules! tests {
    ($(fn $example:ident() $body:block)*) => {
        $(#[test] fn $example() $body)*

        const TESTED: &[&str] = &[$(stringify!($example)),*];
    };
}

/// Returns the output of an example without the lines that report times.
fn lines(name: &str, arguments: &[&str]) -> Vec<String> {
    let output = Call::new(&example(name), arguments).run();
    assert_eq!(output.code(), 0, "{name}: {}{}", output.text(), output.stderr);
    assert_eq!(output.stderr, "", "{name}");
    let is_time = |line: &&str| line.starts_with("  took ") && line.ends_with(" s");
    output.text().lines().filter(|line| !is_time(line)).map(str::to_owned).collect()
}

tests! {
    fn aggregate() {
        let lines = lines("aggregate", &[]);
        assert_eq!(lines[..4], ["serial", "map_unordered", "fold", "all agree: true"]);
        assert!(lines[4].starts_with("200000 lines, "), "{}", lines[4]);
        assert!(lines[5].starts_with("most frequent: Some("), "{}", lines[5]);
    }

    fn async_smol() {
        assert_eq!(
            lines("async_smol", &[]),
            [
                "2000 jobs were awaited on one thread",
                "numbers that equal the digit sum of their cube: [0, 1, 8, 17, 18, 26, 27]",
            ]
        );
    }

    fn async_tokio() {
        assert_eq!(
            lines("async_tokio", &[]),
            [
                "the squares below 2000 add up to 2664667000",
                "2000 jobs were awaited on one thread",
                "killed after the timeout: true",
                "cancelled: true",
            ]
        );
    }

    fn counting() {
        assert_eq!(
            lines("counting", &[]),
            [
                "total of five counts: 500000",
                "counted or cancelled: 200",
                "`cancel` and `cancelled` agree: true",
                "at most the configured number of workers: true",
                "submit after shutdown: the executor is closed",
            ]
        );
    }

    fn endless() {
        assert_eq!(
            lines("endless", &[]),
            [
                "read before the map is started: 0",
                "found: 703, with 170 steps",
                "read ahead of the outputs taken: 16",
            ]
        );
    }

    fn factorize() {
        assert_eq!(
            lines("factorize", &[]),
            [
                "serial",
                "threads",
                "processes",
                "2139079: [1, 101, 21179, 2139079]",
                "1214759: [1, 7, 13, 49, 91, 637, 1907, 13349, 24791, 93443, 173537, 1214759]",
                "1516637: [1, 19, 79823, 1516637]",
                "1852285: [1, 5, 271, 1355, 1367, 6835, 370457, 1852285]",
                "all agree: true",
            ]
        );
    }

    fn functions() {
        assert_eq!(
            lines("functions", &[]),
            [
                "greatest common divisor: 1048576",
                "words: {\"be\": 2, \"not\": 1, \"or\": 1, \"to\": 2}",
                "longest word: Some(3)",
                "squares: [1, 4, 9, 16, 25]",
                "called directly: Ok(49)",
                "failed: 18446744073709551615 squared overflows",
                "crashed: Err(Some(\"SIGABRT\"))",
                "timed out: true",
            ]
        );
    }

    fn futures() {
        assert_eq!(
            lines("futures", &[]),
            [
                "short: 1ms, done: true",
                "long: running true, done false; next: running false",
                "long: timed out: the job has no outcome yet",
                "cancelled: next true, long false",
                "callback: cancelled true",
                "killed: long true",
                "map: 1ms",
                "map: 1ms",
                "map: timed out: the job has no outcome yet",
            ]
        );
    }

    fn gcd() {
        assert_eq!(
            lines("gcd", &[]),
            ["serial: [1, 1, 5, 1]", "threads: [1, 1, 5, 1]", "processes: [1, 1, 5, 1]"]
        );
    }

    fn images() {
        let lines = lines("images", &[]);
        let expected = [
            ("photo: ", "2x2, mean brightness 25"),
            ("text: ", "unknown format `GIF89a`"),
            ("truncated: ", "panicked"),
            ("recursive: ", "killed by"),
            ("no-width: ", "ran longer than"),
            ("huge: ", "memory"),
            ("icon: ", "1x1, mean brightness 255"),
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, (name, result)) in lines.iter().zip(expected) {
            assert!(line.starts_with(name) && line.contains(result), "{line}");
        }
    }

    fn large_data() {
        assert_eq!(
            lines("large_data", &[]),
            [
                "generated: 100 MB, the last byte is 255",
                "weighed: 8 chunks, mean of a byte 127.5",
                "in a nested pool: true",
                "less than 32 MB of all processes is not shared: true",
            ]
        );
    }

    fn limits() {
        assert_eq!(
            lines("limits", &[]),
            [
                "ran longer than 100ms, in attempt 1",
                "ended before 10 s: true",
                "next job: 1ms",
                "worker 0.0: 0 jobs",
                "worker 0.1: 1 jobs",
                "on a thread: a time limit needs worker processes",
            ]
        );
    }

    fn bounded() {
        let output = Call::new(&example("bounded"), [""; 0]).run(); // its progress goes to standard error
        assert_eq!((output.code(), output.text()), (0, "zeros: 1000000000\nsucceeded: 100000\n"));
    }

    fn own_worker() {
        assert_eq!(
            lines("own_worker", &[]),
            [
                "0: 5",
                "1: 7 cannot be divided by zero",
                "2: panicked with \"this job is broken\"",
                "3: its worker was killed by SIGABRT, 2 times",
                "4: the quotient is too large",
                "5: 3",
            ]
        );
    }

    fn service() {
        assert_eq!(
            lines("service", &[]),
            [
                "square 12: Some(\"144\")",
                "cube 12: Some(\"unknown request `cube 12`\")",
                "with a full queue: Some(\"busy\")",
                "square 14: Some(\"196\")",
                "jobs killed when their clients left: true",
            ]
        );
    }

    fn sums() {
        let lines = lines("sums", &[]);
        let sums = ["100000 gives 5000050000", "1000000 gives 500000500000"]
            .into_iter()
            .chain(["10000000 gives 50000005000000", "100000000 gives 5000000050000000"]);
        let expected = |way: &str| -> Vec<String> {
            sums.clone().map(|sum| format!("{way}: 1..={sum}")).collect()
        };
        assert_eq!(lines[0], "wait: 4 done, 0 not done");
        assert_eq!(lines[1..5], expected("wait"));
        // These are printed in the order of completion.
        let completed: BTreeSet<&String> = lines[5..].iter().collect();
        assert_eq!(completed, expected("as_completed").iter().collect());
    }

    fn switch_executor() {
        for (word, elsewhere) in [("processes", 4), ("threads", 0), ("serial", 0)] {
            assert_eq!(
                lines("switch_executor", &[word]),
                [
                    "25 primes below 100",
                    "168 primes below 1000",
                    "1229 primes below 10000",
                    "9592 primes below 100000",
                    &format!("{elsewhere} of 4 jobs ran in another process"),
                ]
            );
        }
        let refused = Call::new(&example("switch_executor"), ["fibres"]).run();
        assert_eq!(refused.code(), 1);
        assert!(refused.stderr.contains("unknown executor `fibres`"), "{}", refused.stderr);
    }

    fn tracing() {
        let mut lines = lines("tracing", &[]);
        assert_eq!(lines.pop().unwrap(), "2 jobs failed");
        let mut logged: Vec<String> = Vec::new();
        for line in lines {
            // Each line is tagged with its worker, by the program and by the worker itself.
            let (worker, message) = line.split_once(" logged: ").unwrap();
            let slot = worker.strip_prefix("worker ").unwrap().strip_suffix(".0").unwrap();
            assert!(message.contains(&format!("worker{{slot=\"{slot}\" pid=")), "{line}");
            let end = message.split_once("}: ").unwrap().1;
            logged.push(format!("{}: {end}", message.split_whitespace().next().unwrap()));
        }
        logged.sort();
        assert_eq!(
            logged,
            ["INFO: halved number=0", "INFO: halved number=2", "WARN: odd number=1", "WARN: odd number=3"]
        );
    }

    fn worker_state() {
        let lines = lines("worker_state", &[]);
        assert_eq!(
            lines[..3],
            [
                "the last page is https://example.org/159",
                "160 pages over all sessions",
                "at most one session per worker: true",
            ]
        );
        let cause = "the executor broke: cannot connect to `nowhere`: not an https URL";
        assert!(lines[3].starts_with(cause), "{}", lines[3]);
    }
}

#[test]
fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/pool/examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples: BTreeSet<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(examples, tested);
}
